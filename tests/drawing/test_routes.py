"""Curves of pseudoknots: from base to base, around helices and other curves."""

import itertools

import numpy as np
from factories.pictures import KNOT

from rnaformer_cli.drawing.layout import layout_plane
from rnaformer_cli.drawing.routes import MAX_ROUTES, route_pairs
from rnaformer_cli.structure.brackets import parse_dot_bracket

# Two hairpins whose loops pair with each other, on both sides of a third one.
KISSING = "((((..[[[..))))...(((((((((....)))))))))...((((..]]]..))))"


def routed(structure):
    coordinates, crossing = layout_plane(structure)
    drawn = sorted(structure.pairs - set(crossing))
    return coordinates, crossing, drawn, route_pairs(coordinates, crossing, drawn)


def test_a_curve_goes_from_base_to_base():
    coordinates, crossing, _, curves = routed(KNOT.structure)
    for pair, curve in zip(crossing, curves, strict=True):
        assert np.allclose(curve[[0, -1]], coordinates[list(pair)])


def test_curves_go_around_helices():
    coordinates, crossing, drawn, curves = routed(parse_dot_bracket(KISSING))
    middles = np.array([coordinates[list(pair)].mean(0) for pair in drawn])
    for pair, curve in zip(crossing, curves, strict=True):
        straight = np.linspace(*coordinates[list(pair)], 200)
        assert _distance(straight, middles) < 0.5  # the straight line crosses the helix between
        assert _distance(curve, middles) > 0.7
        others = np.delete(
            coordinates, [*pair, *(base + 1 for base in pair), *(base - 1 for base in pair)], 0
        )
        assert _distance(curve, others) > 0.5


def _distance(one, other):
    return np.linalg.norm(one[:, None] - other[None], axis=2).min()


def test_curves_of_a_helix_do_not_lie_on_each_other():
    _, _, _, curves = routed(parse_dot_bracket(KISSING))
    for one, other in itertools.pairwise(curves):
        middle = one[len(one) // 3 : -len(one) // 3]
        assert _distance(middle, other) > 0.2


def test_many_pairs_are_straight_lines():
    coordinates = np.stack([np.arange(900.0), np.zeros(900)], 1)
    pairs = [(base, 899 - base) for base in range(MAX_ROUTES + 1)]
    curves = route_pairs(coordinates, pairs, [])
    assert [len(curve) for curve in curves] == [2] * len(pairs)


def test_without_pairs_there_is_no_curve():
    assert route_pairs(np.zeros((3, 2)), [], []) == []
