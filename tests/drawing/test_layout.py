"""Layouts: helices are straight, loops round, nothing overlaps, all is where it was."""

import time

import numpy as np
import pytest

from rnaformer_cli.drawing.layout import _bend, _count_loops, _is_simple, layout_plane
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.structure import Structure

TRNA = "(((((((..((((........)))).(((((.......))))).....(((((.......))))))))))))...."


def distances(places):
    return np.linalg.norm(places[:, None] - places[None], axis=2)


def test_bases_of_a_helix_stand_opposite_and_in_steps():
    structure = parse_dot_bracket(TRNA)
    places, crossing = layout_plane(structure)
    assert places.shape == (76, 2)
    assert crossing == []
    between = distances(places)
    widths = [between[pair] for pair in structure.pairs]
    assert np.ptp(widths) < 0.05
    assert np.median(np.diag(between, 1)) == pytest.approx(1.0)


def test_no_two_bases_have_the_same_position():
    places, _ = layout_plane(parse_dot_bracket(TRNA))
    between = distances(places) + 10 * np.eye(len(places))
    assert between.min() > 0.5


def test_a_layout_without_overlaps_and_stretched_steps_is_preferred():
    """RNApuzzler draws this one with a step of the backbone 8 times as long as others."""
    arm = "(" * 12 + "..((((....))))..((((....))))..((((....)))).." + ")" * 12
    places, _ = layout_plane(parse_dot_bracket(f"{arm}.{arm}.{arm}"))
    between = distances(places)
    assert np.diag(between, 1).max() < 1.1
    assert (between + 10 * np.eye(len(places))).min() > 0.9


def test_helices_keep_their_shape_in_a_bent_layout():
    signs = "(((...)))..(((...)))..(((...)))"
    straight, _ = layout_plane(parse_dot_bracket(signs))
    bent = _bend(straight, signs, 180)
    for first, last in ((0, 9), (11, 20), (22, 31)):
        kept = slice(first, last)
        assert np.allclose(distances(bent[kept]), distances(straight[kept]))
    assert np.allclose(np.diag(distances(bent), 1), np.diag(distances(straight), 1))
    assert not np.allclose(distances(bent), distances(straight))


def test_pseudoknots_are_left_for_later():
    structure = parse_dot_bracket("((((...[[[))))...]]]")
    places, crossing = layout_plane(structure)
    assert crossing == [(7, 19), (8, 18), (9, 17)]
    assert np.isfinite(places).all()


def test_neighbours_and_several_partners_do_not_hang_the_layout():
    pairs = {(0, 1), (2, 9), (2, 10)}
    places, crossing = layout_plane(Structure(12, frozenset(pairs)))
    assert (0, 1) in crossing
    assert len(crossing) == 2
    assert np.isfinite(places).all()


@pytest.mark.parametrize("length", [1, 2, 30])
def test_without_pairs_the_chain_is_laid_out(length):
    places, crossing = layout_plane(Structure(length, frozenset()))
    assert places.shape == (length, 2)
    assert crossing == []


@pytest.mark.parametrize("signs", ["(" * 150 + "(...)" + "(...))" * 150, "(...)" * 151])
def test_what_has_many_branches_is_laid_out_at_once(signs):
    """The first took RNApuzzler half a minute, and a hundred times that with more branches."""
    began = time.process_time()
    places, crossing = layout_plane(parse_dot_bracket(signs))
    assert time.process_time() - began < 1
    assert np.isfinite(places).all()
    assert crossing == []


@pytest.mark.parametrize(
    "signs",
    [
        "...............((.).((.)).)....",  # RNApuzzler does not terminate
        "(" * 4 + ".(.)(.)" + ")" * 4,
        "((((((.)).)((.(((..))(..).))).((..)).(.).)((.)(.)).)).",  # RNAplot: beyond its memory
        "(." * 40 + "..." + ".)" * 40,
        "(" * 150 + "(...)" + "(...))" * 150,
    ],
)
def test_small_loops_neither_hang_nor_stop_the_process(signs):
    places, _ = layout_plane(parse_dot_bracket(signs))
    assert np.isfinite(places).all()


def test_which_structures_have_few_loops():
    assert _count_loops("((((...))))") == 1
    assert _count_loops(TRNA) == 4
    assert _count_loops("(." * 40 + "..." + ".)" * 40) == 40
    assert _count_loops("....") == 0


def test_which_structures_have_few_branches():
    assert not _is_simple("((..))")
    assert not _is_simple("((...)).(((..)))")
    assert _is_simple("((...)).(((...)))")
    assert _is_simple(TRNA)
    assert _is_simple("(...)" * 150)
    assert _is_simple("(" * 30 + "(...)" + "(...))" * 30)
    assert not _is_simple("(" * 31 + "(...)" + "(...))" * 31)
    assert not _is_simple("(...)" * 151)
