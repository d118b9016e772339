"""The windows and profiles that the k-mer filter selects."""

import numpy as np
import pytest
from factories.datasets import random_rna
from factories.families import SIZE, make_library, make_members, make_profile

from rnaformer_cli.families.search import MAX_CANDIDATES, WindowSearch
from rnaformer_cli.sequence.encode import encode

WINDOW = 96  # the first of 64, 96, 144, ... with a quarter more bases than profiles have columns


def windows(sequence, *profiles):
    return WindowSearch(make_library(*profiles)).windows(encode(sequence))


def test_candidates_are_limited():
    own = make_members(1, 8)
    many = [make_profile(own[:-1], f"{number}") for number in range(MAX_CANDIDATES + 3)]
    found = windows(own[-1], *many)
    assert [(one.profile_index, one.start, one.stop) for one in found] == [
        (number, 0, SIZE) for number in range(MAX_CANDIDATES)
    ]


def test_the_family_is_among_the_candidates_of_a_large_library():
    many = [make_profile(make_members(seed, 4, mutation_rate=0.1), f"{seed}") for seed in range(50)]
    search = WindowSearch(make_library(*many))
    found = [
        search.windows(encode(make_members(seed, 5, mutation_rate=0.1)[-1])) for seed in range(50)
    ]
    right = sum(number in [one.profile_index for one in own] for number, own in enumerate(found))
    assert right > 45


def test_the_family_is_found_where_it_is_in_a_long_sequence():
    many = [make_profile(make_members(seed, 4, mutation_rate=0.1), f"{seed}") for seed in range(50)]
    search = WindowSearch(make_library(*many))
    right = 0
    for seed in range(50):
        sequence = (
            random_rna(500, seed)
            + make_members(seed, 5, mutation_rate=0.1)[-1]
            + random_rna(300, seed + 100)
        )
        own = [one for one in search.windows(encode(sequence)) if one.profile_index == seed]
        right += any(one.start <= 500 and one.stop >= 500 + SIZE for one in own)
    assert right > 40


@pytest.mark.parametrize("length", [0, 1, WINDOW - SIZE])
def test_a_sequence_no_longer_than_the_window_is_one_window(length):
    own = make_members(1, 8)
    [window] = windows(own[-1] + random_rna(length, 2), make_profile(own[:-1], "x"))
    assert (window.start, window.stop) == (0, SIZE + length)


def test_windows_lie_in_the_sequence_and_half_their_size_apart():
    own = make_members(1, 8)
    found = windows("".join(own), make_profile(own, "x"))
    assert 5 < len(found) <= 2 * MAX_CANDIDATES
    assert all(0 <= one.start < one.stop <= 8 * SIZE for one in found)
    assert all(one.stop - one.start <= WINDOW * 3 // 2 for one in found)
    middles = np.sort([(one.start + one.stop) / 2 for one in found])
    assert np.diff(middles).min() >= WINDOW * 3 // 8  # those at the ends have one margin


@pytest.mark.parametrize(("length", "most"), [(100, 5), (400, 5), (401, 10), (2000, 25)])
def test_longer_sequences_have_more_windows(length, most):
    many = [make_profile(make_members(seed, 4, mutation_rate=0.1), f"{seed}") for seed in range(50)]
    assert len(windows(random_rna(length, 9), *many)) == most


def test_windows_of_different_sizes_compete_by_similarity_above_the_mean():
    """Longer windows share more k-mers with any profile."""
    short = [make_profile(make_members(seed, 4), f"{seed}") for seed in range(20)]
    long = [make_profile([random_rna(300, 60 + seed)], f"long {seed}", []) for seed in range(40)]
    search = WindowSearch(make_library(*short, *long))
    right = 0
    for seed in range(20):
        sequence = (
            random_rna(500, 150 + seed) + make_members(seed, 5)[-1] + random_rna(400, 250 + seed)
        )
        own = [one for one in search.windows(encode(sequence)) if one.profile_index == seed]
        right += any(one.start <= 500 and one.stop >= 500 + SIZE for one in own)
    assert right > 12


def test_cosines_are_those_of_all_kmers():
    profiles = [make_profile(make_members(seed, 4), f"{seed}") for seed in range(9)]
    library = make_library(*profiles)
    vectors = np.stack([library.vectorise(encode(random_rna(90, seed))) for seed in range(3)])
    expected = np.stack([one.kmer_vector for one in library.profiles]) @ vectors.T
    found = WindowSearch(library)._cosines(vectors, WINDOW)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert expected.max() > 0.01
