"""Crossing arcs, held against comparing each with each."""

import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnaformer_cli.errors import StructureError
from rnaformer_cli.structure import nesting
from rnaformer_cli.structure.brackets import format_dot_bracket, parse_dot_bracket
from rnaformer_cli.structure.crossing import crosses, shares_end
from rnaformer_cli.structure.structure import Structure

arcs = st.lists(st.sampled_from(list(itertools.combinations(range(14), 2))), max_size=14)


@given(arcs)
def test_an_arc_crosses_if_one_end_of_another_is_inside(found):
    expected = [any(a < c < b < d or c < a < d < b for c, d in found) for a, b in found]
    assert crosses(found).tolist() == expected


@given(arcs)
def test_ends_are_shared_with_other_arcs_only(found):
    expected = [
        any(set(found[one]) & set(found[other]) for other in range(len(found)) if other != one)
        for one in range(len(found))
    ]
    assert shares_end(found).tolist() == expected


SIDE_BY_SIDE = "(.)" * 20_000
NESTED = "(" * 40_000 + "." + ")" * 40_000
ORDINARY = "((((....))))..((((((...((((....))))[[[..))))))..]]]" * 2_000


@pytest.mark.parametrize("signs", [SIDE_BY_SIDE, NESTED, ORDINARY], ids=["side", "nest", "knots"])
def test_large_structures_take_little_time_and_memory(signs):
    """A table of all ends would be of gigabytes, and comparing each with each take minutes."""
    structure = parse_dot_bracket(signs)
    tracemalloc.start()
    assert format_dot_bracket(structure) == signs
    assert len(structure.crossing_pairs()) == 18_000 * (signs == ORDINARY)
    assert tracemalloc.get_traced_memory()[1] < 300e6
    tracemalloc.stop()


def test_more_crossing_pairs_than_can_be_layered_are_refused(monkeypatch):
    monkeypatch.setattr(nesting, "MAX_ENDS", 6)
    ladder = Structure(12, frozenset((place, place + 6) for place in range(0, 6, 1)))
    with pytest.raises(StructureError, match=r"^pairs that cross at more than 6 places"):
        format_dot_bracket(ladder)
