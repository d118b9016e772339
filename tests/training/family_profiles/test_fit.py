"""Profiles learned from records of families."""

from dataclasses import replace

import numpy as np
import pytest
from factories.datasets import random_rna
from factories.families import LONG, PAIRS, SIZE, likely_pairs, make_labelled_members

from rnaformer_cli.errors import TrainingError
from rnaformer_cli.families.profiles import count_kmers
from rnaformer_cli.families.recognition import ProfileSearch
from rnaformer_cli.sequence.encode import encode
from rnaformer_cli.training.family_profiles.fit import ProfileTrainingConfig, learn_library

ONE = make_labelled_members(1, 6, family="one")
TWO = make_labelled_members(2, 6, LONG, family="two")
MIXED = [*ONE[:5], *make_labelled_members(2, 5, LONG, family="one")]  # one name, two folds


def learned(records, **plan):
    return learn_library(records, ProfileTrainingConfig(**plan))


def names(records, **plan):
    return sorted(profile.name for profile in learned(records, **plan).profiles)


@pytest.mark.parametrize(("name", "pairs"), [("one", PAIRS), ("two", LONG)])
def test_each_family_becomes_a_profile_with_its_pairs(name, pairs):
    assert names([*ONE, *TWO]) == ["one", "two"]
    [profile] = [one for one in learned([*ONE, *TWO]).profiles if one.name == name]
    assert likely_pairs(profile) == set(pairs)
    assert profile.pair_frequency[profile.pair_frequency > 0.5].mean() == pytest.approx(
        6 / 6.5, abs=0.02
    )
    assert profile.pair_frequency.max() <= 1.0
    assert profile.emissions.shape == (SIZE, 4)
    np.testing.assert_allclose(profile.emissions.sum(1), 1.0, rtol=1e-5)
    assert np.linalg.norm(profile.kmer_vector) == pytest.approx(1.0)


def test_learned_profiles_match_another_member():
    [one], [two] = make_labelled_members(1, 1, start=6), make_labelled_members(2, 1, LONG, start=6)
    found = ProfileSearch(learned([*ONE, *TWO])).find_regions(
        [one.sequence, two.sequence, random_rna(SIZE, 9)]
    )
    best = [regions[0].hits[0] for regions in found[:2]]
    assert [hit.profile.name for hit in best] == ["one", "two"]
    assert min(hit.log_odds for hit in best) > 15
    assert max((region.hits[0].log_odds for region in found[2]), default=0.0) < 10


def test_letters_are_those_of_the_members():
    records = make_labelled_members(1, 6, mutation_rate=0.0, family="one")
    [profile] = learned(records).profiles
    assert profile.emissions.argmax(1).tolist() == encode(records[0].sequence).tolist()
    np.testing.assert_allclose(profile.emissions.max(1), 6.25 / 7, atol=0.02)


def test_kmers_of_few_records_have_a_higher_idf():
    records = [*ONE, *TWO]
    having = sum((count_kmers(encode(one.sequence)) > 0).astype(int) for one in records)
    expected = np.log(12 / (1 + having)).clip(0)
    np.testing.assert_allclose(learned(records).idf, expected, rtol=1e-6)


def test_a_lone_record_makes_no_profile():
    assert names([*ONE, *make_labelled_members(3, 1, family="three")]) == ["one"]


@pytest.mark.parametrize(("min_records", "found"), [(4, ["one", "two"]), (5, ["one"])])
def test_a_profile_stands_for_enough_records(min_records, found):
    assert (
        names([*ONE, *make_labelled_members(2, 4, LONG, family="two")], min_records=min_records)
        == found
    )


def test_computed_labels_are_left_out():
    computed = make_labelled_members(2, 6, LONG, source="rnafold", family="two")
    assert names([*ONE, *computed]) == ["one"]
    np.testing.assert_array_equal(learned([*ONE, *computed]).idf, learned(ONE).idf)


def test_records_of_one_cluster_count_as_one():
    """Three of a cluster have a C, at a base without a partner, where four others have an A."""
    records = [
        replace(one, id=one.id + letter, sequence=f"{one.sequence[:31]}{letter}{one.sequence[32:]}")
        for letter, count, cluster in (("C", 3, 0), ("A", 4, None))
        for one in make_labelled_members(1, count, mutation_rate=0.0, family="one", cluster=cluster)
    ]
    [profile] = learned(records).profiles
    expected = np.array([4.25, 1.25, 0.25, 0.25]) / 6
    np.testing.assert_allclose(profile.emissions[31], expected, atol=0.01)


@pytest.mark.parametrize(("most", "found"), [(2, ["two"]), (3, ["one", "two"])])
def test_records_per_cluster_are_limited(most, found):
    records = [*make_labelled_members(1, 8, family="one", cluster=4), *TWO]
    assert names(records, records_per_cluster=most, min_records=3) == found


def test_a_pair_has_its_frequency_among_the_members():
    records = [replace(one, pairs=PAIRS[: 20 + n % 2]) for n, one in enumerate(ONE)]
    [profile] = learned(records).profiles
    pair_frequencies = dict(
        zip(profile.left.tolist(), profile.pair_frequency.tolist(), strict=True)
    )
    assert pair_frequencies[PAIRS[20][0]] == pytest.approx(3 / 6.5, abs=0.03)
    assert pair_frequencies[PAIRS[19][0]] == pytest.approx(6 / 6.5, abs=0.02)


def test_records_without_a_family_are_clustered_by_similarity():
    library = learned(
        [
            *make_labelled_members(1, 6),
            *make_labelled_members(2, 6, LONG),
            *make_labelled_members(3, 1),
        ]
    )
    assert [profile.name for profile in library.profiles] == ["", ""]
    assert sorted(map(likely_pairs, library.profiles), key=len) == [set(PAIRS), set(LONG)]


def test_profiles_without_a_family_get_the_name_of_a_similar_one():
    assert names([*ONE, *TWO, *make_labelled_members(1, 4, start=6)]) == ["one", "one", "two"]
    assert names([*ONE, *make_labelled_members(3, 4)]) == ["", "one"]  # another family
    assert names([*ONE, *make_labelled_members(1, 4, LONG, start=6)]) == ["", "one"]  # another fold


def test_members_with_another_structure_get_a_profile_of_their_own():
    steps = []
    library = learn_library(MIXED, ProfileTrainingConfig(), steps.append)
    assert [profile.name for profile in library.profiles] == ["one", "one"]
    assert sorted(map(likely_pairs, library.profiles), key=len) == [set(PAIRS), set(LONG)]
    assert [(one.round, one.profiles, one.unassigned) for one in steps] == [(1, 1, 5), (2, 2, 0)]


def test_pairs_decide_which_records_join_not_letters():
    other = [replace(one, id=f"{one.id}b", pairs=LONG) for one in ONE]
    assert names([*ONE, *other]) == ["one", "one"]
    assert names([*ONE, *other], min_f1=0.0) == ["one"]


def test_rounds_are_limited():
    steps = []
    library = learn_library(MIXED, ProfileTrainingConfig(max_rounds=1), steps.append)
    assert len(library.profiles) == len(steps) == 1


def test_the_same_records_give_the_same_library():
    records = [
        *make_labelled_members(4, 8, family="four", cluster=4),
        *ONE,
        *make_labelled_members(2, 6, LONG),
    ]
    for one, other in zip(learned(records).profiles, learned(records).profiles, strict=True):
        assert one.name == other.name
        for name in ("emissions", "left", "right", "pair_frequency", "kmer_vector"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_records_with_the_same_id_are_different_records():
    renamed = [replace(one, id=f"{n % 6}") for n, one in enumerate([*ONE, *TWO])]
    for one, other in zip(learned(renamed).profiles, learned([*ONE, *TWO]).profiles, strict=True):
        np.testing.assert_array_equal(one.kmer_vector, other.kmer_vector)
        np.testing.assert_array_equal(one.emissions, other.emissions)


def test_many_families_keep_their_own_members():
    families = {
        f"{seed:03}": make_labelled_members(seed, 2, mutation_rate=0.03) for seed in range(120)
    }
    records = [replace(one, family=name) for name, both in families.items() for one in both]
    profiles = learned(records).profiles
    assert [profile.name for profile in profiles] == list(families)
    for profile, (one, other) in zip(profiles, families.values(), strict=True):
        codes = np.array([encode(one.sequence), encode(other.sequence)])
        assert (profile.emissions.argmax(1) == codes).any(axis=0).mean() > 0.95


@pytest.mark.parametrize(
    "records",
    [
        [],
        make_labelled_members(1, 6, source="rnafold", family="one"),
        ONE[:1],
        [ONE[0], TWO[0]],
        [MIXED[0], MIXED[-1]],
        [*make_labelled_members(1, 1), *make_labelled_members(2, 1), *make_labelled_members(3, 1)],
    ],
)
def test_dissimilar_records_are_refused(records):
    with pytest.raises(TrainingError) as caught:
        learned(records)
    assert str(caught.value) == "no two records are similar enough to form a family"
