from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnaformer_cli.prediction.helices import best_helices, extend_helices, split_into_helices
from rnaformer_cli.structure.structure import BasePair

SIZE = 9
ALL_PAIRS = [(i, j) for i in range(SIZE) for j in range(i + 1, SIZE)]

gains = st.dictionaries(st.sampled_from(ALL_PAIRS), st.integers(1, 9), max_size=9)


def is_nested(pairs):
    ends = [end for pair in pairs for end in pair]
    crosses = any(i < k < j < m for i, j in pairs for k, m in pairs)
    return len(set(ends)) == len(ends) and not crosses


def is_stacked(pair, pairs):
    return (pair[0] - 1, pair[1] + 1) in pairs or (pair[0] + 1, pair[1] - 1) in pairs


def best_sum(gains, isolated):
    """The optimum by enumeration of all sets of pairs."""
    return max(
        sum(gains[pair] for pair in chosen)
        for size in range(len(gains) + 1)
        for chosen in combinations(gains, size)
        if is_nested(chosen)
        and all(pair in isolated or is_stacked(pair, set(chosen)) for pair in chosen)
    )


@given(gains, st.sets(st.sampled_from(ALL_PAIRS)))
def test_no_nested_set_of_stacked_pairs_has_a_larger_gain(gains, isolated):
    pairs = best_helices(gains, isolated)
    assert is_nested(pairs)
    assert all(pair in isolated or is_stacked(pair, set(pairs)) for pair in pairs)
    assert sum(gains[pair] for pair in pairs) == best_sum(gains, isolated)


def test_an_isolated_pair_is_dropped_unless_allowed():
    assert best_helices({(0, 8): 5}) == []
    assert best_helices({(0, 8): 5}, {(0, 8)}) == [(0, 8)]


def test_two_stacked_pairs_are_a_helix():
    assert best_helices({(0, 9): 1, (1, 8): 1, (3, 7): 5}) == [(0, 9), (1, 8)]


def test_no_candidates_give_no_pairs():
    assert best_helices({}) == []


@pytest.mark.parametrize(
    ("pairs", "found"),
    [
        ([], []),
        ([(0, 9), (1, 8)], [[(0, 9), (1, 8)]]),
        ([(0, 9), (2, 8)], [[(0, 9), (2, 8)]]),  # a bulge of one
        ([(0, 9), (2, 7)], [[(0, 9), (2, 7)]]),  # an interior loop of one by one
        ([(0, 9), (3, 8)], [[(0, 9)], [(3, 8)]]),
        ([(0, 5), (3, 9), (1, 4)], [[(0, 5), (1, 4)], [(3, 9)]]),
    ],
)
def test_helices_pass_over_one_unpaired_base_on_each_side(pairs: list[BasePair], found):
    assert list(split_into_helices(pairs)) == found


def test_helices_are_extended_at_both_ends_by_allowed_pairs_of_free_bases():
    allowed = {(0, 19), (1, 18), (3, 16), (4, 15), (6, 13)}
    assert extend_helices({(2, 17): 0.9}, allowed) == [(0, 19), (1, 18), (2, 17), (3, 16), (4, 15)]


def test_the_more_probable_of_two_helices_is_extended():
    """Base 16 could pair with base 3 or with base 29."""
    allowed = {(3, 16), (16, 29)}
    assert extend_helices({(2, 17): 0.9, (15, 30): 0.5}, allowed) == [(2, 17), (3, 16), (15, 30)]
    assert extend_helices({(2, 17): 0.5, (15, 30): 0.9}, allowed) == [(2, 17), (15, 30), (16, 29)]
