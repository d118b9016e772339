"""Dot plots: squares by probability above the diagonal, the structure below it."""

import numpy as np
import pytest
from factories.pictures import KNOT, LETTERS, named, texts

from rnaformer_cli.drawing.dots import draw_dots
from rnaformer_cli.structure.structure import Structure


def scores(**pairs):
    matrix = np.zeros((len(LETTERS), len(LETTERS)), dtype=np.float32)
    for (left, right), score in pairs.get("pairs", {}).items():
        matrix[left, right] = matrix[right, left] = score
    return matrix


def squares(figure, gid):
    """The middles and sides of the squares of a layer."""
    [drawn] = [one for one in figure.axes[0].collections if one.get_gid() == gid]
    corners = [path.vertices[:4] for path in drawn.get_paths()]
    return {tuple(one.mean(0).tolist()): float(np.ptp(one[:, 0])) for one in corners}


def test_squares_have_the_square_root_of_the_probability_as_their_side():
    figure = draw_dots(KNOT, scores(pairs={(0, 13): 0.25, (2, 9): 0.01, (3, 8): 0.0005}))
    found = squares(figure, "probabilities")
    assert found == {(14.0, 1.0): pytest.approx(0.5), (10.0, 3.0): pytest.approx(0.1)}


def test_the_structure_is_below_the_diagonal():
    found = squares(draw_dots(KNOT, scores()), "structure")
    assert set(found) == {(left + 1.0, right + 1.0) for left, right in KNOT.structure.pairs}
    assert set(found.values()) == {1.0}


def test_a_reference_takes_the_place_of_the_structure():
    figure = draw_dots(KNOT, scores(), Structure(len(LETTERS), frozenset({(4, 9)})))
    assert set(squares(figure, "structure")) == {(5.0, 10.0)}
    assert "reference" in texts(figure)


def test_colours_have_a_logarithmic_bar():
    figure = draw_dots(KNOT, scores(pairs={(0, 13): 1.0, (1, 12): 0.001}))
    [drawn] = [one for one in figure.axes[0].collections if one.get_gid() == "probabilities"]
    low, high = drawn.get_facecolor()[:, :3]
    assert low == pytest.approx([0.993, 0.906, 0.144], abs=0.01)  # both ends of viridis
    assert high == pytest.approx([0.267, 0.005, 0.329], abs=0.01)
    assert {"0.001", "0.01", "0.1", "1", "probability"} <= set(texts(figure))
    assert named(figure, "colour-bar")
