"""The sums over all alignments agree with an enumeration of the alignments."""

import math
from itertools import combinations

import numpy as np
import pytest
from factories.datasets import random_rna

from rnaformer_cli.families.alignment import (
    GAP_EXTEND,
    GAP_OPEN,
    N_SYMBOLS,
    PADDING,
    PARTIAL_END,
    _batch_jobs,
    align,
    log_odds,
    run_forward,
)
from rnaformer_cli.sequence.encode import encode

SIZES = [(1, 1), (5, 1), (1, 5), (5, 4), (4, 6), (7, 5)]  # bases, columns


def random_job(bases, columns, seed=0):
    """Random codes, N among them, and odds of any size."""
    source = np.random.default_rng(seed)
    odds = np.exp(source.normal(0, 2, (N_SYMBOLS, columns))).astype(np.float32)
    odds[4:] = [[1.0], [0.0]]
    return source.integers(0, PADDING, bases), odds


def peaked_odds(sequence, probability=0.9):
    """The odds of a profile with one frequent letter in each column."""
    odds = np.full((N_SYMBOLS, len(sequence)), 4 * (1 - probability) / 3, np.float32)
    odds[encode(sequence), range(len(sequence))] = 4 * probability
    odds[4:] = [[1.0], [0.0]]
    return odds


def step(bases, columns):
    """The transition odds of unaligned bases and columns between two matches."""
    if bases and columns:
        return 0.0
    if bases or columns:
        return GAP_OPEN * GAP_EXTEND ** (bases + columns - 1) * (1 - GAP_EXTEND)
    return 1 - 2 * GAP_OPEN


def each_alignment(codes, odds):
    """Every alignment of at least one base with a column, with its odds."""
    length, size = len(codes), odds.shape[1]
    for count in range(1, min(length, size) + 1):
        for bases in combinations(range(length), count):
            for columns in combinations(range(size), count):
                weight = 1.0 if columns[0] == 0 else PARTIAL_END
                weight *= 1.0 if columns[-1] == size - 1 else PARTIAL_END
                for one in range(1, count):
                    left_out = bases[one] - bases[one - 1] - 1
                    weight *= step(left_out, columns[one] - columns[one - 1] - 1)
                weight *= math.prod(
                    float(odds[codes[base], column])
                    for base, column in zip(bases, columns, strict=True)
                )
                yield tuple(zip(bases, columns, strict=True)), weight


@pytest.mark.parametrize(("bases", "columns"), SIZES)
@pytest.mark.parametrize("seed", range(3))
def test_each_alignment_is_counted_once(bases, columns, seed):
    job = random_job(bases, columns, seed)
    total, likely = 0.0, np.zeros((bases, columns))
    for matches, weight in each_alignment(*job):
        total += weight
        for match in matches:
            likely[match] += weight
    assert log_odds([job]) == pytest.approx([math.log(total)], abs=1e-5)
    np.testing.assert_allclose(align([job])[0], likely / total, atol=1e-5)


def test_padding_and_neighbours_change_nothing():
    sizes = [(30, 7), (3, 90), (1, 1), (110, 64), (64, 110), (50, 50)]
    jobs = [random_job(*size, seed) for seed, size in enumerate(sizes)]
    for job, odds, found in zip(jobs, log_odds(jobs), align(jobs), strict=True):
        assert log_odds([job]) == pytest.approx([odds], abs=1e-5)
        assert found.shape == (len(job[0]), job[1].shape[1])
        np.testing.assert_allclose(align([job])[0], found, atol=1e-5)


def test_results_of_several_batches_keep_the_order_of_the_jobs():
    jobs = [random_job(90 + seed % 7, 80 - seed % 5, seed) for seed in range(80)]
    alone = [log_odds([job])[0] for job in jobs]
    assert log_odds(jobs) == pytest.approx(alone, abs=1e-4)
    assert [found.shape for found in align(jobs)] == [
        (len(one), odds.shape[1]) for one, odds in jobs
    ]


def test_no_jobs_give_no_results():
    assert log_odds([]) == []
    assert align([]) == []


@pytest.mark.parametrize(
    "job",
    [
        (encode("A" * 600), peaked_odds("A" * 600)),
        (encode("A" * 600), peaked_odds("C" * 50)),
        (encode("N" * 200), peaked_odds(random_rna(60, 1))),
        (encode(random_rna(700, 1)), peaked_odds(random_rna(700, 1), 0.999)),
        (encode(random_rna(3000, 1)), peaked_odds(random_rna(150, 2))),
    ],
)
def test_long_sequences_and_high_odds_stay_finite(job):
    [found] = align([job])
    assert np.isfinite(log_odds([job])).all()
    assert np.isfinite(found).all()
    assert found.min() >= 0.0
    assert found.sum(1).max() <= 1.001
    assert found.sum(0).max() <= 1.001


@pytest.mark.parametrize("before", [0, 5, 400])
@pytest.mark.parametrize("behind", [0, 300])
def test_a_profile_is_found_within_a_longer_sequence(before, behind):
    motif = random_rna(120, 1)
    [found] = align(
        [(encode(random_rna(before, 2) + motif + random_rna(behind, 3)), peaked_odds(motif))]
    )
    own = found[before : before + 120]
    assert own.diagonal()[5:-5].min() > 0.95
    assert own.diagonal().sum() == pytest.approx(120, abs=1)
    assert found.sum() - own.sum() < 1


@pytest.mark.parametrize(("start", "stop"), [(0, 40), (40, 80), (80, 120)])
def test_a_part_of_a_profile_is_found(start, stop):
    motif = random_rna(120, 1)
    job = encode(random_rna(30, 2) + motif[start:stop] + random_rna(30, 3)), peaked_odds(motif)
    [found] = align([job])
    assert found[30:70, start:stop].diagonal()[3:-3].min() > 0.9
    whole = encode(random_rna(30, 2) + motif + random_rna(30, 3)), peaked_odds(motif)
    assert 20 < log_odds([job])[0] < log_odds([whole])[0] - 60


@pytest.mark.parametrize("size", [40, 100, 300])
def test_two_copies_of_a_profile_are_both_found(size):
    motif = random_rna(size, 1)
    [found] = align([(encode(motif + random_rna(50, 3) + motif), peaked_odds(motif))])
    for start in (0, size + 50):
        np.testing.assert_allclose(found[start : start + size].diagonal(), 0.5, atol=0.03)


def test_the_posteriors_of_a_repetitive_profile_add_up_to_its_columns():
    [found] = align([(encode("A" * 600), peaked_odds("A" * 100))])
    assert found.sum() == pytest.approx(100, abs=1)


@pytest.mark.parametrize("gap", [1, 3, 8])
def test_insertions_and_deletions_are_aligned(gap):
    motif = random_rna(80, 4)
    jobs = [
        (encode(motif[:40] + "N" * gap + motif[40:]), peaked_odds(motif)),
        (encode(motif), peaked_odds(motif[:40] + random_rna(gap, 5) + motif[40:])),
    ]
    longer, wider = align(jobs)
    for found in (longer, wider.T):
        assert found[:40, :40].diagonal()[:-8].min() > 0.9
        assert found[40 + gap :, 40:].diagonal()[8:].min() > 0.9


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_gaps_over_any_number_of_columns_are_summed(kind):
    columns = 450
    random = np.random.default_rng(3)
    odds = np.zeros((1, N_SYMBOLS, columns), kind)
    odds[0, :4] = random.random((4, columns))
    entry_odds = np.ones((1, columns), kind)
    sums = run_forward(np.array([[0, 1]]), odds, entry_odds, entry_odds)
    first = odds[0, 0].astype(np.float64)
    for column in range(1, columns):
        over = sum(GAP_OPEN * GAP_EXTEND ** (column - 2 - k) * first[k] for k in range(column - 1))
        expected = 1 + (1 - 2 * GAP_OPEN) * first[column - 1] + (1 - GAP_EXTEND) * over
        assert sums.entry_sums[1, 0, column] == pytest.approx(expected, abs=1e-6)


def test_a_sequence_reads_backwards_as_it_reads_forwards():
    codes, odds = random_job(40, 30)
    backwards = codes[::-1], odds[:, ::-1]
    assert log_odds([backwards]) == pytest.approx(log_odds([(codes, odds)]), abs=1e-4)
    [there], [back] = align([(codes, odds)]), align([backwards])
    np.testing.assert_allclose(back[::-1, ::-1], there, atol=1e-4)


def test_batches_hold_jobs_of_similar_columns_and_bounded_size():
    sizes = [(40 + 7 * (seed % 11), 10 + 23 * (seed % 30)) for seed in range(200)]
    jobs = [random_job(*size, seed) for seed, size in enumerate(sizes)]
    cells = 300_000
    batches = list(_batch_jobs(jobs, cells))
    assert sorted(index for batch in batches for index in batch) == list(range(200))
    assert len(batches) < 40
    for batch in batches:
        lengths = [sizes[index][0] for index in batch]
        assert lengths == sorted(lengths, reverse=True)
        assert sum(lengths) * max(sizes[index][1] for index in batch) <= cells
        padding = sum((max(sizes[i][1] for i in batch) - sizes[j][1]) * sizes[j][0] for j in batch)
        assert padding <= 4_000 * max(lengths)
