"""Families that are recognised by their profiles, and the pairs that these tell."""

import numpy as np
import pytest
from dataset_makers import rna
from family_makers import LONG, PAIRS, SIZE, library_of, members, profile_of

from rnaformer_cli.families.recognition import CANDIDATES, Recogniser, pair_chances

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
    """Pairs that are more likely than not."""
    return {(int(left), int(right)) for left, right in np.argwhere(np.triu(hit.pairs) > 0.5)}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", [-1, -2])
def test_a_new_member_is_recognised_with_its_pairs(known, name, place):
    [hits] = known.recognise([family(name)[place]])
    assert hits[0].profile.name == name
    assert hits[0].evidence > 15
    assert all(hit.evidence < hits[0].evidence - 10 for hit in hits[1:])
    found, true = likely(hits[0]), set(NAMES[name][1])
    assert len(found & true) > 0.8 * len(true)
    assert len(found - true) < 3


def test_a_member_is_recognised_within_a_longer_sequence(known):
    [[hit, *_]] = known.recognise([rna(50, 7) + family("two")[-1] + rna(90, 8)])
    assert hit.profile.name == "two"
    moved = {(left + 50, right + 50) for left, right in PAIRS}
    assert len(likely(hit) & moved) > 0.8 * len(moved)
    assert not likely(hit) - {(a, b) for a in range(50, 114) for b in range(50, 114)}


def test_random_sequences_have_little_evidence(known):
    hits = known.recognise([rna(SIZE, seed) for seed in range(100, 200)])
    assert sum(map(bool, hits)) < 10
    assert all(hit.evidence < 10 for own in hits for hit in own)


@pytest.mark.parametrize("sequence", ["A", "ACGU", "N" * 80])
def test_sequences_without_a_word_have_no_hits(known, sequence):
    assert known.recognise([sequence]) == [[]]


def test_no_sequences_have_no_hits(known):
    assert known.recognise([]) == []


def test_hits_do_not_depend_on_other_sequences(known):
    sequences = [family("one")[-1], "ACG", rna(300, 5), family("long")[-1] + rna(40, 6)]
    together = known.recognise(sequences)
    assert [bool(hits) for hits in together][:2] == [True, False]
    for sequence, hits in zip(sequences, together, strict=True):
        [alone] = known.recognise([sequence])
        assert [hit.profile.name for hit in alone] == [hit.profile.name for hit in hits]
        for one, other in zip(alone, hits, strict=True):
            assert one.evidence == pytest.approx(other.evidence, abs=1e-4)
            np.testing.assert_allclose(one.aligned, other.aligned, atol=1e-4)


def test_hits_with_the_most_evidence_come_first():
    own = family("one", 10)
    told = [profile_of(own[: 2 * count], f"{count}") for count in (1, 2, 3, 4)]
    [hits] = Recogniser(library_of(*told)).recognise([own[-1]])
    evidence = [hit.evidence for hit in hits]
    assert evidence == sorted(evidence, reverse=True)
    assert len(hits) == 4


def test_no_more_profiles_are_aligned_than_there_are_candidates():
    own = family("one")
    many = [profile_of(own[:-1], f"{number}") for number in range(CANDIDATES + 3)]
    [hits] = Recogniser(library_of(*many)).recognise([own[-1]])
    assert [hit.profile.name for hit in hits] == [f"{number}" for number in range(CANDIDATES)]


def test_the_family_is_among_the_candidates_of_a_large_library():
    many = [profile_of(members(seed, 4), f"{seed}") for seed in range(5 * CANDIDATES)]
    sequences = [members(seed, 5)[-1] for seed in range(5 * CANDIDATES)]
    found = Recogniser(library_of(*many)).recognise(sequences)
    right = sum(bool(hits) and hits[0].profile.name == f"{n}" for n, hits in enumerate(found))
    assert right > 0.9 * len(found)


def test_hits_far_behind_the_best_one_are_left_out():
    own = members(1, 8, share=0.05)
    part = profile_of([text[:20] for text in own[:-1]], "part", [])
    whole = profile_of(own[:-1], "whole")
    [[alone]] = Recogniser(library_of(part)).recognise([own[-1]])
    [[best]] = Recogniser(library_of(part, whole)).recognise([own[-1]])
    assert (alone.profile.name, best.profile.name) == ("part", "whole")
    assert best.evidence > alone.evidence + 20


def test_pairs_are_symmetric_probabilities_without_a_diagonal(known):
    for name in NAMES:
        [[hit, *_]] = known.recognise([family(name)[-1] * 2])
        pairs = hit.pairs
        assert pairs.shape == (2 * SIZE, 2 * SIZE)
        assert np.array_equal(pairs, pairs.T)
        assert not pairs.diagonal().any()
        assert 0.0 <= pairs.min() <= pairs.max() <= 1.0
        assert pairs.max() > 0.2


def test_the_chance_of_a_pair_is_that_of_its_columns_and_places():
    profile = profile_of(["ACGU"], "x", [(0, 3), (1, 2)], chance=0.5)
    aligned = np.array([[0.8, 0.1, 0, 0], [0, 0.9, 0, 0], [0, 0, 0, 0], [0, 0, 0.4, 0.6]])
    found = pair_chances(aligned.astype(np.float32), profile)
    expected = np.zeros((4, 4))
    expected[0, 3] = 0.5 * 0.8 * 0.6 + 0.5 * 0.1 * 0.4
    expected[1, 3] = 0.5 * 0.9 * 0.4
    np.testing.assert_allclose(found, expected + expected.T, atol=1e-6)
