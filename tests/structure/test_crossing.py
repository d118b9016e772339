"""Crossing arcs, held against comparing each with each."""

import itertools
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnaformer_cli.errors import StructureError
from rnaformer_cli.structure import brackets
from rnaformer_cli.structure.brackets import format_dot_bracket, parse_dot_bracket
from rnaformer_cli.structure.crossing import conflict_groups, crosses
from rnaformer_cli.structure.structure import Structure

arcs = st.lists(st.sampled_from(list(itertools.combinations(range(14), 2))), max_size=14)


@given(arcs)
def test_an_arc_crosses_if_one_end_of_another_is_inside(found):
    expected = [any(a < c < b < d or c < a < d < b for c, d in found) for a, b in found]
    assert crosses(found).tolist() == expected


def in_conflict(one, other):
    (a, b), (c, d) = one, other
    return bool({a, b} & {c, d}) or a < c < b < d or c < a < d < b


@given(arcs)
def test_arcs_in_conflict_are_in_one_set(found):
    """Sets are merged one conflict after the other, each compared with each."""
    expected = [{index} for index in range(len(found))]
    for one, other in itertools.combinations(range(len(found)), 2):
        if in_conflict(found[one], found[other]):
            touched = [group for group in expected if {one, other} & group]
            expected = [group for group in expected if group not in touched]
            expected.append(set().union(*touched))
    assert sorted(conflict_groups(found)) == sorted(sorted(group) for group in expected)


SIDE_BY_SIDE = "(.)" * 20_000
NESTED = "(" * 40_000 + "." + ")" * 40_000
ORDINARY = "((((....))))..((((((...((((....))))[[[..))))))..]]]" * 2_000
ACROSS = f"{{.{ORDINARY}<.}}.>"  # a pair over all of it, which crosses one more
CROSSING = {SIDE_BY_SIDE: 0, NESTED: 0, ORDINARY: 18_000, ACROSS: 18_002}


@pytest.mark.parametrize(
    "signs", [SIDE_BY_SIDE, NESTED, ORDINARY, ACROSS], ids=["side", "nest", "knots", "across"]
)
def test_large_structures_take_little_time_and_memory(signs):
    """A table of all ends would be of gigabytes, and comparing each with each take minutes."""
    structure = parse_dot_bracket(signs)
    tracemalloc.start()
    assert parse_dot_bracket(format_dot_bracket(structure)) == structure
    assert len(structure.crossing_pairs()) == CROSSING[signs]
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


def test_more_crossing_pairs_than_can_be_layered_are_refused(monkeypatch):
    monkeypatch.setattr(brackets, "MAX_CROSSING_ENDS", 6)
    ladder = Structure(12, frozenset((place, place + 6) for place in range(0, 6, 1)))
    with pytest.raises(StructureError, match=r"^more than 6 ends of crossing helices"):
        format_dot_bracket(ladder)


@pytest.mark.parametrize("pairs", [2_000, 6_000])
def test_thousands_of_pairs_that_all_cross_are_refused_soon(pairs):
    """Six thousand took fifteen seconds and 0.6 GB."""
    places = range(0, 2 * pairs, 2)
    ladder = Structure(4 * pairs, frozenset((place, place + 2 * pairs) for place in places))
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(StructureError, match=r"^(pairs cross on )?more than"):
        format_dot_bracket(ladder)
    assert time.process_time() - began < 4
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()
