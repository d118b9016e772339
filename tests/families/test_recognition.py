"""Families that are recognised by their profiles, and the pairs that these tell."""

import numpy as np
import pytest
from dataset_makers import rna
from family_makers import LONG, PAIRS, SIZE, library_of, members, profile_of

from rnaformer_cli.families.recognition import Hit, Recogniser, pair_chances

NAMES = {"one": (1, PAIRS), "two": (2, PAIRS), "long": (3, LONG)}


def family(name, count=8):
    number, pairs = NAMES[name]
    return members(number, count, pairs)


def profiles():
    """Each of all members but the last two."""
    return [profile_of(family(name)[:-2], name, pairs) for name, (_, pairs) in NAMES.items()]


@pytest.fixture(scope="module")
def known():
    return Recogniser(library_of(*profiles()))


def likely(hit):
    """Pairs that are more likely than not, by their places in the sequence."""
    ends = hit.start + np.argwhere(np.triu(hit.pairs) > 0.5)
    return {(int(left), int(right)) for left, right in ends}


def moved(pairs, start):
    return {(left + start, right + start) for left, right in pairs}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", [-1, -2])
def test_a_new_member_is_recognised_with_its_pairs(known, name, place):
    [[site, *others]] = known.recognise([family(name)[place]])
    hit = site.hits[0]
    assert hit.profile.name == name
    assert hit.evidence > 15
    rest = [*site.hits[1:], *(other.hits[0] for other in others)]
    assert all(other.evidence < hit.evidence - 10 for other in rest)
    found, true = likely(hit), set(NAMES[name][1])
    assert len(found & true) > 0.8 * len(true)
    assert len(found - true) < 3


@pytest.mark.parametrize(("before", "behind"), [(0, 90), (50, 90), (600, 0), (1000, 2000)])
def test_a_member_is_recognised_within_a_longer_sequence(known, before, behind):
    [[site, *_]] = known.recognise([rna(before, 7) + family("two")[-1] + rna(behind, 8)])
    hit = site.hits[0]
    assert hit.profile.name == "two"
    assert len(likely(hit) & moved(PAIRS, before)) > 0.8 * len(PAIRS)
    inner = range(before, before + SIZE)
    assert not likely(hit) - {(left, right) for left in inner for right in inner}
    assert hit.span == pytest.approx((before, before + SIZE), abs=3)
    assert site.start <= before < before + SIZE <= site.stop


def test_members_are_recognised_as_often_as_they_are_there(known):
    """Also of one family, side by side and within each other's windows."""
    names = ("two", "one", "one", "long")
    parts = [family(name)[-1] for name in names]
    sequence = parts[0] + rna(20, 3) + parts[1] + parts[2] + rna(300, 4) + parts[3]
    [sites] = known.recognise([sequence])
    sure = sorted((site for site in sites if site.hits[0].evidence > 15), key=lambda s: s.start)
    assert [site.hits[0].profile.name for site in sure] == [*names]
    for site, start in zip(sure, (0, 84, 148, 512), strict=True):
        assert site.hits[0].span == pytest.approx((start, start + SIZE), abs=3)


def test_the_same_bases_have_one_site(known):
    """Windows overlap, and so do the profiles of one family."""
    own = family("one")
    told = [profile_of(own[start : start + 4], f"{start}") for start in range(4)]
    sequence = rna(200, 11) + own[-1] + rna(200, 12)
    [[site, *others]] = Recogniser(library_of(*told)).recognise([sequence])
    assert len({hit.profile.name for hit in site.hits}) > 2
    assert not any(other.hits[0].evidence > 15 for other in others)


def test_random_sequences_have_little_evidence(known):
    found = known.recognise([rna(SIZE, seed) for seed in range(100, 200)])
    assert sum(map(bool, found)) < 10
    assert all(hit.evidence < 10 for sites in found for site in sites for hit in site.hits)


@pytest.mark.parametrize("sequence", ["A", "ACGU", "N" * 80])
def test_sequences_without_a_word_have_no_sites(known, sequence):
    assert known.recognise([sequence]) == [[]]


def test_no_sequences_have_no_sites(known):
    assert known.recognise([]) == []


def test_sites_do_not_depend_on_other_sequences(known):
    sequences = [family("one")[-1], "ACG", rna(300, 5), family("long")[-1] + rna(40, 6)]
    together = known.recognise(sequences)
    assert [bool(sites) for sites in together][:2] == [True, False]
    for sequence, sites in zip(sequences, together, strict=True):
        [alone] = known.recognise([sequence])
        assert [len(site.hits) for site in alone] == [len(site.hits) for site in sites]
        for one, other in zip(hits_of(alone), hits_of(sites), strict=True):
            assert (one.profile.name, one.start) == (other.profile.name, other.start)
            assert one.evidence == pytest.approx(other.evidence, abs=1e-4)
            np.testing.assert_allclose(one.aligned, other.aligned, atol=1e-4)


def hits_of(sites):
    return [hit for site in sites for hit in site.hits]


def test_hits_with_the_most_evidence_come_first():
    own = family("one", 10)
    told = [profile_of(own[: 2 * count], f"{count}") for count in (1, 2, 3, 4)]
    [[site]] = Recogniser(library_of(*told)).recognise([own[-1]])
    evidence = [hit.evidence for hit in site.hits]
    assert evidence == sorted(evidence, reverse=True)
    assert len(evidence) == 4


def test_hits_far_behind_a_better_one_of_the_same_bases_are_left_out():
    own = members(1, 8, share=0.05)
    part = profile_of([text[:20] for text in own[:-1]], "part", [])
    whole = profile_of(own[:-1], "whole")
    [[alone]] = Recogniser(library_of(part)).recognise([own[-1]])
    [[best]] = Recogniser(library_of(part, whole)).recognise([own[-1]])
    assert [hit.profile.name for hit in alone.hits + best.hits] == ["part", "whole"]
    assert best.hits[0].evidence > alone.hits[0].evidence + 20
    apart = own[-1][:20] + rna(300, 9) + own[-1]
    [sites] = Recogniser(library_of(part, whole)).recognise([apart])
    assert [site.hits[0].profile.name for site in sites] == ["whole", "part"]


def test_pairs_are_symmetric_probabilities_without_a_diagonal(known):
    for name in NAMES:
        [[site, *_]] = known.recognise([family(name)[-1] + rna(20, 1)])
        pairs = site.hits[0].pairs
        size = site.stop - site.start
        assert pairs.shape == (size, size)
        assert np.array_equal(pairs, pairs.T)
        assert not pairs.diagonal().any()
        assert 0.0 <= pairs.min() <= pairs.max() <= 1.0
        assert pairs.max() > 0.2


def test_bases_between_those_with_a_column_are_within():
    aligned = np.array([[0, 0], [0.3, 0], [0.6, 0], [0, 0], [0, 0.9], [0, 0]], np.float32)
    hit = Hit(profile_of(["AC"], "x", []), 9.0, 10, aligned)
    np.testing.assert_allclose(hit.within, [0, 0.3, 0.9, 0.9, 0.9, 0], atol=1e-6)
    assert (hit.span, hit.stop) == ((12, 15), 16)


def test_a_hit_that_is_hardly_aligned_spans_its_part():
    hit = Hit(profile_of(["AC"], "x", []), 9.0, 10, np.full((6, 2), 0.01, np.float32))
    assert hit.span == (10, 16)


def test_the_chance_of_a_pair_is_that_of_its_columns_and_places():
    profile = profile_of(["ACGU"], "x", [(0, 3), (1, 2)], chance=0.5)
    aligned = np.array([[0.8, 0.1, 0, 0], [0, 0.9, 0, 0], [0, 0, 0, 0], [0, 0, 0.4, 0.6]])
    found = pair_chances(aligned.astype(np.float32), profile)
    expected = np.zeros((4, 4))
    expected[0, 3] = 0.5 * 0.8 * 0.6 + 0.5 * 0.1 * 0.4
    expected[1, 3] = 0.5 * 0.9 * 0.4
    np.testing.assert_allclose(found, expected + expected.T, atol=1e-6)
