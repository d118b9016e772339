"""The best crossing-free choice, held against trying every choice."""

import itertools
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rnaformer_cli.structure import nesting
from rnaformer_cli.structure.nesting import heaviest_nested


@st.composite
def weighted_arcs(draw):
    every = list(itertools.combinations(range(8), 2))
    arcs = draw(st.lists(st.sampled_from(every), max_size=9))
    weights = draw(st.lists(st.integers(1, 9), min_size=len(arcs), max_size=len(arcs)))
    return arcs, weights


def fit_together(arcs):
    """Whether no two arcs cross or share an end."""
    return not any(
        len({a, b, c, d}) < 4 or a < c < b < d or c < a < d < b
        for (a, b), (c, d) in itertools.combinations(arcs, 2)
    )


def best_weight(arcs, weights):
    return max(
        sum(weights[index] for index in choice)
        for size in range(len(arcs) + 1)
        for choice in itertools.combinations(range(len(arcs)), size)
        if fit_together([arcs[index] for index in choice])
    )


@settings(max_examples=100, deadline=None)
@given(weighted_arcs())
def test_the_choice_is_as_heavy_as_the_best_of_all(case):
    arcs, weights = case
    chosen = heaviest_nested(arcs, weights)
    assert fit_together([arcs[index] for index in chosen])
    assert sum(weights[index] for index in chosen) == best_weight(arcs, weights)


@settings(max_examples=50, deadline=None)
@given(weighted_arcs(), st.randoms())
def test_the_choice_does_not_depend_on_the_order_of_different_arcs(case, random):
    arcs, weights = case
    table = dict(zip(arcs, weights, strict=True))
    order = list(table)
    random.shuffle(order)
    first = {arc for index, arc in enumerate(table) if index in heaviest_nested(*split(table))}
    again = heaviest_nested(order, [table[arc] for arc in order])
    assert {order[index] for index in again} == first


# Multiples of 0.375 have exact sums. Rounded sums would decide between equal optima.
@settings(max_examples=300, deadline=None)
@example(([(0, 3), (1, 2), (0, 3), (0, 5), (3, 4)], [1, 2, 3, 1, 2]), 0.375)
@given(weighted_arcs(), st.sampled_from([1, 0.375]))
def test_solving_sets_in_conflict_apart_chooses_what_one_table_of_all_does(case, unit):
    arcs, weights = case
    weights = [weight * unit for weight in weights]
    whole = nesting._heaviest(arcs, weights) if arcs else []
    assert heaviest_nested(arcs, weights) == whole


def split(table):
    return list(table), list(table.values())


@pytest.mark.parametrize(
    ("arcs", "weights", "chosen"),
    [
        ([], [], []),
        ([(3, 7)], [0.1], [0]),
        ([(0, 5), (3, 9)], [1.0, 2.0], [1]),
        ([(0, 9), (1, 4), (5, 8)], [1.0, 1.0, 1.0], [0, 1, 2]),
        ([(0, 9), (0, 4), (5, 9)], [3.0, 2.0, 2.0], [1, 2]),
        ([(0, 9), (0, 9)], [1.0, 2.0], [1]),
        ([(2, 6), (6, 8)], [2, 1], [0]),
    ],
)
def test_small_choices(arcs, weights, chosen):
    assert heaviest_nested(arcs, weights) == chosen


def test_fractions_do_not_lose_arcs_in_rounding():
    arcs = [(index, 199 - index) for index in range(100)]
    weights = [0.1 * (index % 7 + 1) for index in range(100)]
    assert heaviest_nested(arcs, weights) == list(range(100))


def test_a_thousand_arcs_are_a_matter_of_seconds():
    arcs = [(index, index + 1000) for index in range(1000)]
    start = time.perf_counter()
    assert len(heaviest_nested(arcs, [1.0] * 1000)) == 1
    assert time.perf_counter() - start < 20
