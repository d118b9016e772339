"""Arc diagrams: arcs above and below, legends, legible numbers at the sequence."""

from factories.pictures import KNOT, LETTERS, colours, named, texts

from rnaformer_cli.drawing.arcs import draw_arcs
from rnaformer_cli.drawing.style import (
    COMMON_COLOUR,
    MISSED_COLOUR,
    PREDICTED_COLOUR,
    PSEUDOKNOT_COLOUR,
    Style,
)
from rnaformer_cli.structure.structure import Structure, StructureRecord

KNOWN = Structure(len(LETTERS), frozenset({(0, 13), (1, 12), (5, 20)}))


def test_arcs_compare_with_a_reference():
    figure = draw_arcs(KNOT, KNOWN)
    above, below = colours(figure, "arc-"), colours(figure, "under-")
    assert (above.count(COMMON_COLOUR), above.count(MISSED_COLOUR), len(above)) == (2, 1, 3)
    assert below.count(COMMON_COLOUR) == 2
    assert below.count(PREDICTED_COLOUR) == len(KNOT.structure.pairs) - 2
    assert all(arc.center[1] > 0 for arc in figure.axes[0].patches[:3])
    assert {"in both", "only predicted", "only in the reference"} <= set(texts(figure))


def test_arcs_alone_show_pseudoknots_apart():
    figure = draw_arcs(KNOT)
    shown = colours(figure, "arc-")
    assert len(shown) == len(KNOT.structure.pairs)
    assert shown.count(PSEUDOKNOT_COLOUR) == len(KNOT.structure.crossing_pairs())
    assert {"base pair", "crosses other pairs"} <= set(texts(figure))


def test_a_picture_of_76_bases_fits_on_a_page_with_legible_letters():
    record = StructureRecord("x", "ACGU" * 19, Structure(76, frozenset({(0, 71), (10, 24)})))
    figure = draw_arcs(record)
    width, height = figure.get_size_inches()
    assert width < 8.3
    assert height < 4
    assert min(text.get_fontsize() for text in figure.axes[0].texts) >= 4.5


def test_numbers_are_at_the_sequence_and_never_overlap():
    record = StructureRecord("x", "ACGU" * 500, Structure(2000, frozenset({(0, 1999)})))
    axes = draw_arcs(record, style=Style(number_every=10)).axes[0]
    numbers = [text for text in axes.texts if text.get_text().isdigit()]
    places = [text.get_position() for text in numbers]
    points_per_base = axes.figure.get_size_inches()[0] * 72 / 2000
    width = 0.6 * numbers[0].get_fontsize() * 4 / points_per_base
    assert places[1][0] - places[0][0] > width
    assert -40 < places[0][1] < 0
    assert len(named(axes.figure, "tick-")) == len(numbers)
