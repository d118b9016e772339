"""Sequences match the profiles of their families, which give base pairs."""

import numpy as np
import pytest
from factories.datasets import random_rna
from factories.families import LONG, PAIRS, SIZE, make_library, make_members, make_profile

from rnaformer_cli.families.recognition import Hit, ProfileSearch, project_pairs

NAMES = {"one": (1, PAIRS), "two": (2, PAIRS), "long": (3, LONG)}


def family(name, count=8):
    number, pairs = NAMES[name]
    return make_members(number, count, pairs)


def profiles():
    """A profile for each family, without its last two members."""
    return [make_profile(family(name)[:-2], name, pairs) for name, (_, pairs) in NAMES.items()]


@pytest.fixture(scope="module")
def known():
    return ProfileSearch(make_library(*profiles()))


def likely(hit):
    """Pairs with a probability above 0.5, as positions in the sequence."""
    ends = hit.start + np.argwhere(np.triu(hit.pair_probabilities) > 0.5)
    return {(int(left), int(right)) for left, right in ends}


def moved(pairs, start):
    return {(left + start, right + start) for left, right in pairs}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", [-1, -2])
def test_a_new_member_is_recognised_with_its_pairs(known, name, place):
    [[region, *others]] = known.find_regions([family(name)[place]])
    hit = region.hits[0]
    assert hit.profile.name == name
    assert hit.log_odds > 15
    rest = [*region.hits[1:], *(other.hits[0] for other in others)]
    assert all(other.log_odds < hit.log_odds - 10 for other in rest)
    found, true = likely(hit), set(NAMES[name][1])
    assert len(found & true) > 0.8 * len(true)
    assert len(found - true) < 3


@pytest.mark.parametrize(("before", "behind"), [(0, 90), (50, 90), (600, 0), (1000, 2000)])
def test_a_member_is_recognised_within_a_longer_sequence(known, before, behind):
    [[region, *_]] = known.find_regions(
        [random_rna(before, 7) + family("two")[-1] + random_rna(behind, 8)]
    )
    hit = region.hits[0]
    assert hit.profile.name == "two"
    assert len(likely(hit) & moved(PAIRS, before)) > 0.8 * len(PAIRS)
    inner = range(before, before + SIZE)
    assert not likely(hit) - {(left, right) for left in inner for right in inner}
    assert hit.envelope == pytest.approx((before, before + SIZE), abs=3)
    assert region.start <= before < before + SIZE <= region.stop


def test_every_copy_in_a_sequence_is_recognised(known):
    """Including adjacent copies of one family, which share windows."""
    names = ("two", "one", "one", "long")
    parts = [family(name)[-1] for name in names]
    sequence = parts[0] + random_rna(20, 3) + parts[1] + parts[2] + random_rna(300, 4) + parts[3]
    [regions] = known.find_regions([sequence])
    sure = sorted(
        (region for region in regions if region.hits[0].log_odds > 15), key=lambda s: s.start
    )
    assert [region.hits[0].profile.name for region in sure] == [*names]
    for region, start in zip(sure, (0, 84, 148, 512), strict=True):
        assert region.hits[0].envelope == pytest.approx((start, start + SIZE), abs=3)


def test_overlapping_hits_form_one_region(known):
    """Windows overlap, and so do the profiles of one family."""
    own = family("one")
    combined = [make_profile(own[start : start + 4], f"{start}") for start in range(4)]
    sequence = random_rna(200, 11) + own[-1] + random_rna(200, 12)
    [[region, *others]] = ProfileSearch(make_library(*combined)).find_regions([sequence])
    assert len({hit.profile.name for hit in region.hits}) > 2
    assert not any(other.hits[0].log_odds > 15 for other in others)


def test_random_sequences_have_low_log_odds(known):
    found = known.find_regions([random_rna(SIZE, seed) for seed in range(100, 200)])
    assert sum(map(bool, found)) < 10
    assert all(hit.log_odds < 10 for regions in found for region in regions for hit in region.hits)


@pytest.mark.parametrize("sequence", ["A", "ACGU", "N" * 80])
def test_sequences_without_a_kmer_have_no_regions(known, sequence):
    assert known.find_regions([sequence]) == [[]]


def test_no_sequences_have_no_regions(known):
    assert known.find_regions([]) == []


def test_regions_do_not_depend_on_other_sequences(known):
    sequences = [
        family("one")[-1],
        "ACG",
        random_rna(300, 5),
        family("long")[-1] + random_rna(40, 6),
    ]
    together = known.find_regions(sequences)
    assert [bool(regions) for regions in together][:2] == [True, False]
    for sequence, regions in zip(sequences, together, strict=True):
        [alone] = known.find_regions([sequence])
        assert [len(region.hits) for region in alone] == [len(region.hits) for region in regions]
        for one, other in zip(hits_of(alone), hits_of(regions), strict=True):
            assert (one.profile.name, one.start) == (other.profile.name, other.start)
            assert one.log_odds == pytest.approx(other.log_odds, abs=1e-4)
            np.testing.assert_allclose(one.posteriors, other.posteriors, atol=1e-4)


def hits_of(regions):
    return [hit for region in regions for hit in region.hits]


def test_hits_are_sorted_by_falling_log_odds():
    own = family("one", 10)
    combined = [make_profile(own[: 2 * count], f"{count}") for count in (1, 2, 3, 4)]
    [[region]] = ProfileSearch(make_library(*combined)).find_regions([own[-1]])
    log_odds = [hit.log_odds for hit in region.hits]
    assert log_odds == sorted(log_odds, reverse=True)
    assert len(log_odds) == 4


def test_hits_far_below_an_overlapping_one_are_dropped():
    own = make_members(1, 8, mutation_rate=0.05)
    part = make_profile([text[:20] for text in own[:-1]], "part", [])
    whole = make_profile(own[:-1], "whole")
    [[alone]] = ProfileSearch(make_library(part)).find_regions([own[-1]])
    [[best]] = ProfileSearch(make_library(part, whole)).find_regions([own[-1]])
    assert [hit.profile.name for hit in alone.hits + best.hits] == ["part", "whole"]
    assert best.hits[0].log_odds > alone.hits[0].log_odds + 20
    apart = own[-1][:20] + random_rna(300, 9) + own[-1]
    [regions] = ProfileSearch(make_library(part, whole)).find_regions([apart])
    assert [region.hits[0].profile.name for region in regions] == ["whole", "part"]


def test_pairs_are_symmetric_probabilities_without_a_diagonal(known):
    for name in NAMES:
        [[region, *_]] = known.find_regions([family(name)[-1] + random_rna(20, 1)])
        pairs = region.hits[0].pair_probabilities
        size = region.stop - region.start
        assert pairs.shape == (size, size)
        assert np.array_equal(pairs, pairs.T)
        assert not pairs.diagonal().any()
        assert 0.0 <= pairs.min() <= pairs.max() <= 1.0
        assert pairs.max() > 0.2


def test_bases_between_aligned_ones_are_in_the_envelope():
    aligned = np.array([[0, 0], [0.3, 0], [0.6, 0], [0, 0], [0, 0.9], [0, 0]], np.float32)
    hit = Hit(make_profile(["AC"], "x", []), 9.0, 10, aligned)
    np.testing.assert_allclose(hit.envelope_probability, [0, 0.3, 0.9, 0.9, 0.9, 0], atol=1e-6)
    assert (hit.envelope, hit.stop) == ((12, 15), 16)


def test_the_envelope_of_a_weak_alignment_is_the_window():
    hit = Hit(make_profile(["AC"], "x", []), 9.0, 10, np.full((6, 2), 0.01, np.float32))
    assert hit.envelope == (10, 16)


def test_a_pair_probability_is_pair_frequency_times_both_posteriors():
    profile = make_profile(["ACGU"], "x", [(0, 3), (1, 2)], pair_frequency=0.5)
    aligned = np.array([[0.8, 0.1, 0, 0], [0, 0.9, 0, 0], [0, 0, 0, 0], [0, 0, 0.4, 0.6]])
    found = project_pairs(aligned.astype(np.float32), profile)
    expected = np.zeros((4, 4))
    expected[0, 3] = 0.5 * 0.8 * 0.6 + 0.5 * 0.1 * 0.4
    expected[1, 3] = 0.5 * 0.9 * 0.4
    np.testing.assert_allclose(found, expected + expected.T, atol=1e-6)
