"""Windows of long RNAs: what is cut, what is merged, and what the structure is."""

import random

import numpy as np
import pytest
from factories.constraints import random_scores

from rnaformer_cli import DeviceError, Reactivities, RnaRecord, load, parse_dot_bracket
from rnaformer_cli.errors import ConfigError, ConstraintError
from rnaformer_cli.families.mixture import FamilyMatch
from rnaformer_cli.prediction.banded import BandedScores
from rnaformer_cli.prediction.banded_constraints import BandedConstraints
from rnaformer_cli.prediction.constraints import PairConstraints
from rnaformer_cli.prediction.decoding import (
    DECODINGS,
    candidate_pairs,
    decode,
    decode_adaptively,
    expected_f1,
    unpaired_probabilities,
)
from rnaformer_cli.prediction.predictor import Options
from rnaformer_cli.prediction.windows import (
    WindowMean,
    cut_constraints,
    cut_windows,
    merge_matches,
    window_starts,
)
from rnaformer_cli.sequence.constraints import parse_constraints

HAIRPIN = "GGGGACGGAAACGUCCCC"


def banded(scores, width):
    """The pairs of a symmetric matrix that are at most `width` bases long."""
    length = len(scores)
    band = np.zeros((length, width), np.float32)
    for distance in range(1, min(width, length)):
        band[: length - distance, distance] = np.diagonal(scores, distance)
    return BandedScores(band)


def near(scores, width):
    """The same as a matrix."""
    left, right = np.indices(scores.shape)
    return np.where(abs(right - left) < width, scores, np.float32(0.0))


@pytest.mark.parametrize(
    ("length", "window", "step", "starts"),
    [
        (100, 40, 20, [0, 20, 40, 60]),
        (101, 40, 20, [0, 20, 40, 60, 61]),
        (50, 40, None, [0, 10]),
        (41, 40, 39, [0, 1]),
    ],
)
def test_windows_are_full_and_cover_the_rna(length, window, step, starts):
    assert window_starts(length, window, step) == starts


def test_the_mean_is_over_the_windows_that_hold_both_bases():
    generator = np.random.default_rng(0)
    length, window = 37, 12
    starts = window_starts(length, window, 5)
    sums, counts = np.zeros((length, length)), np.zeros((length, length))
    collected = WindowMean(length, window)
    for start in starts:
        matrix = generator.random((window, window), np.float32)
        matrix = np.triu(matrix, k=1) + np.triu(matrix, k=1).T
        part = slice(start, start + window)
        sums[part, part] += matrix
        counts[part, part] += 1
        collected.add(start, matrix)
    mean = collected.mean()
    expected = sums / np.maximum(counts, 1)
    for left in range(length):
        for right in range(left + 1, length):
            assert mean[left, right] == pytest.approx(expected[left, right], abs=1e-6)


@pytest.mark.parametrize("decoding", DECODINGS)
def test_banded_scores_give_the_structure_of_their_matrix(decoding):
    for seed in range(20):
        scores = random_scores(random.Random(seed), 40)
        width = 15
        matrix, band = near(scores, width), banded(scores, width)
        assert candidate_pairs(band, 0.2) == candidate_pairs(matrix, 0.2)
        structure = decode(matrix, 0.2, decoding)
        assert decode(band, 0.2, decoding) == structure
        assert expected_f1(band, structure) == pytest.approx(expected_f1(matrix, structure))
        np.testing.assert_allclose(
            unpaired_probabilities(band), unpaired_probabilities(matrix), atol=1e-6
        )


@pytest.mark.parametrize("decoding", DECODINGS)
def test_banded_constraints_give_the_structure_of_their_matrix(decoding):
    generator = random.Random(1)
    sequence = "".join(generator.choices("ACGU", k=40))
    constraints = parse_constraints("..(....x....)..|...<......>....x..|.....")
    for seed in range(20):
        scores = random_scores(random.Random(seed), 40)
        width = 15
        whole = PairConstraints.of(sequence, constraints)
        left, right = np.indices(scores.shape)
        is_near = abs(right - left) < width
        whole = PairConstraints(
            whole.forced, whole.required, whole.may_pair & is_near, whole.is_partner & is_near
        )
        found = BandedConstraints.of_band(sequence, constraints, width)
        structure, threshold = decode_adaptively(near(scores, width), 0.4, "raw", whole)
        assert decode(near(scores, width), 0.2, decoding, whole) == decode(
            banded(scores, width), 0.2, decoding, found
        )
        assert decode_adaptively(banded(scores, width), 0.4, "raw", found) == (structure, threshold)


def test_constraints_are_cut_to_a_window():
    constraints = parse_constraints("((..(...x.|.)...))x.")
    cut = cut_constraints(constraints, 4, 17)
    assert cut.pairs == {(0, 8)}
    assert cut.unpaired == {4, 12}  # the partner of base 17 is outside
    assert not cut.required


def test_a_forced_pair_that_is_in_no_window_is_refused():
    constraints = parse_constraints("(" + "." * 33 + ")" + "." * 25)
    record = RnaRecord("far", "A" * 60, constraints=constraints)
    with pytest.raises(ConstraintError) as caught:
        cut_windows(record, window_starts(60, 30, 10), 30, None)
    assert str(caught.value) == "the forced pair of bases 1 and 35 is in no window of 30 bases"


def test_data_are_cut_with_the_unit_of_the_whole_rna():
    record = RnaRecord("a", "A" * 50, reactivities=Reactivities((0.5,) * 50, "1M7"))
    ratios = np.arange(50.0)
    windows = cut_windows(record, [0, 20], 30, ratios)
    assert [len(one) for one in windows] == [30, 30]
    assert windows[1].reactivities == Reactivities((0.5,) * 30, "1M7")
    assert windows[1].unpaired_scores.tolist() == ratios[20:].tolist()


def test_of_overlapping_matches_the_best_is_kept():
    matches = [
        FamilyMatch("RF00005", 0, 70, 0.8),
        FamilyMatch("RF00005", 5, 75, 0.9),
        FamilyMatch("RF00001", 75, 120, 0.7),
    ]
    assert merge_matches(matches) == (matches[1], matches[2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 10}, "a window has at least 30 bases, not 10"),
        ({"step": 5}, "a step needs a window"),
        (
            {"window": 40, "step": 40},
            "the step must be from 1 to 39, so that windows of 40 bases overlap, not 40",
        ),
        ({"window": 40, "step": 0}, "not 0"),
        ({"window": 40, "keep_scores": True}, "keep_scores and window cannot be combined"),
        ({"window": 40, "alternatives": 2}, "alternatives and window cannot be combined"),
        ({"window": 40, "ensemble": True}, "ensemble and window cannot be combined"),
    ],
)
def test_options_without_a_meaning_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        load(options=Options(**options), device="cpu")


@pytest.fixture(scope="module")
def predictor():
    return load(options=Options(window=40, step=10), device="cpu")


def test_an_rna_that_fits_into_a_window_is_predicted_whole(predictor):
    whole, alone = predictor.predict(HAIRPIN), load(device="cpu").predict(HAIRPIN)
    assert (whole.structure, whole.confidence) == (alone.structure, alone.confidence)


def test_hairpins_of_a_long_rna_are_found_wherever_they_are(predictor):
    sequence = ("A" * 17 + HAIRPIN) * 6
    [hairpin] = {predictor.predict(HAIRPIN).dot_bracket}
    prediction = predictor.predict(RnaRecord("six", sequence))
    assert prediction.dot_bracket == ("." * 17 + hairpin) * 6
    assert prediction.structure == parse_dot_bracket(prediction.dot_bracket)
    assert len(prediction.unpaired) == len(sequence)


def test_long_and_short_rnas_keep_their_order_and_their_predictions(predictor):
    sequences = [HAIRPIN, ("A" * 17 + HAIRPIN) * 3, "GGGGAAAACCCC", ("A" * 9 + HAIRPIN) * 5]
    together = list(predictor.predict(sequences))
    assert [len(one.record) for one in together] == list(map(len, sequences))
    for sequence, one in zip(sequences, together, strict=True):
        assert predictor.predict(sequence).structure == one.structure


def test_constraints_hold_in_a_long_rna(predictor):
    sequence = ("A" * 17 + HAIRPIN) * 4
    signs = "".join("x" if 52 <= base < 70 else "." for base in range(len(sequence)))
    record = RnaRecord("four", sequence, constraints=parse_constraints(signs))
    pairs = predictor.predict(record).structure.pairs
    assert pairs
    assert not any(52 <= base < 70 for pair in pairs for base in pair)
    far = parse_constraints("(" + "." * 60 + ")" + "." * (len(sequence) - 62))
    [refused] = predictor.predict([RnaRecord("far", sequence, constraints=far)])
    assert isinstance(refused, DeviceError)
    assert str(refused) == (
        "record 'far': the forced pair of bases 1 and 62 is in no window of 40 bases"
    )


def test_reactivities_guide_a_long_rna(predictor):
    sequence = ("A" * 17 + HAIRPIN) * 4
    values = tuple(3.0 if 52 <= base < 70 else 0.2 for base in range(len(sequence)))
    data = Reactivities(values, "1M7")
    plain = predictor.predict(RnaRecord("plain", sequence)).unpaired
    guided = predictor.predict(RnaRecord("guided", sequence, reactivities=data)).unpaired
    assert guided[52:70].mean() > plain[52:70].mean()
