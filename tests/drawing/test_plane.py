"""Helices in the plane: letters, numbers, colours, kinds of pairs, comparison with a reference."""

import itertools

import numpy as np
import pytest
from factories.pictures import KNOT, LETTERS, SVG, colours, fills, named, texts

from rnaformer_cli.drawing.arcs import draw_arcs
from rnaformer_cli.drawing.plane import draw_plane
from rnaformer_cli.drawing.style import (
    COMMON_COLOUR,
    LETTER_COLOURS,
    MISSED_COLOUR,
    NO_REACTIVITY,
    OTHER_LETTER,
    PAIR_COLOUR,
    PREDICTED_COLOUR,
    PSEUDOKNOT_COLOUR,
    REACTIVE_COLOUR,
    BaseValues,
    Style,
    reactivity_values,
)
from rnaformer_cli.errors import StructureError
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.structure import Structure, StructureRecord

WHITE = "#FFFFFF"


def test_the_plane_shows_every_letter_both_ends_and_every_tenth_number():
    found = texts(draw_plane(KNOT))
    assert [text for text in found if text in "ACGUN"] == list(LETTERS)
    assert [text for text in found if text.isdigit()] == ["10", "20"]
    assert {"5'", "3'"} <= set(found)


def test_the_plane_shows_every_pair_and_pseudoknots_apart():
    figure = draw_plane(KNOT)
    assert [node.get("id") for node in named(figure, "pair-")] == [
        "pair-1-14",
        "pair-2-13",
        "pair-3-12",
        "pair-4-11",
    ]
    assert set(colours(figure, "pair-")) == {PAIR_COLOUR}
    assert [node.get("id") for node in named(figure, "knot-")] == [
        "knot-8-20",
        "knot-9-19",
        "knot-10-18",
    ]
    assert set(colours(figure, "knot-")) == {PSEUDOKNOT_COLOUR}
    assert {"base pair", "pseudoknot"} <= set(texts(figure))


def test_bases_have_the_colours_of_their_letters():
    expected = [LETTER_COLOURS.get(letter, OTHER_LETTER) for letter in LETTERS]
    assert fills(draw_plane(KNOT)) == expected


def test_bases_can_be_drawn_without_colours_and_without_letters():
    figure = draw_plane(KNOT, style=Style(has_letters=False, colours_letters=False))
    assert set(fills(figure)) == {WHITE}
    assert not [text for text in texts(figure) if text in "ACGUN"]


def test_values_are_colours_with_a_colour_bar_and_legible_letters():
    values = np.full(len(LETTERS), np.nan)
    values[[0, 1]] = 0.0, 1.0
    figure = draw_plane(KNOT, values=BaseValues("probability", values))
    assert fills(figure)[:3] == ["#440154", "#FDE725", WHITE]  # both ends of viridis
    letters = [node.find(f"{SVG}text").get("style") for node in named(figure, "letter-")]
    assert ["fill: #ffffff" in style for style in letters[:3]] == [True, False, False]
    assert "probability" in texts(figure)
    assert named(figure, "colour-bar")


def test_bases_are_coloured_by_reactivity():
    record = StructureRecord("x", "GAC", parse_dot_bracket("..."))
    figure = draw_plane(record, values=reactivity_values([0.0, 1.0, None]))
    assert fills(figure) == [WHITE, REACTIVE_COLOUR, NO_REACTIVITY]
    assert "relative reactivity" in texts(figure)
    half = draw_plane(record, values=reactivity_values([0.5, 0.5, 0.5]))
    assert fills(half) == ["#EAAE7F"] * 3  # half of each


def test_pairs_are_lines_wobbles_dots_and_others_circles():
    record = StructureRecord("x", "GGGAAAAUAC", parse_dot_bracket("(((....)))"))
    pairs = named(draw_plane(record), "pair-")  # G-C, G-A, G-U
    symbols = [[node.get("style") for node in pair.iter(f"{SVG}use")] for pair in pairs]
    assert symbols[0] == []
    assert "fill: #ffffff" in symbols[1][0]
    assert f"fill: {PAIR_COLOUR}" in symbols[2][0]


def test_a_reference_is_compared_on_the_layout_of_the_prediction():
    known = Structure(len(LETTERS), frozenset({(0, 13), (1, 12), (8, 18), (5, 21)}))
    figure = draw_plane(KNOT, reference=known)
    shown = dict(
        zip(
            [node.get("id") for prefix in ("pair-", "knot-") for node in named(figure, prefix)],
            [*colours(figure, "pair-"), *colours(figure, "knot-")],
            strict=True,
        )
    )
    assert shown["pair-1-14"] == shown["pair-2-13"] == shown["knot-9-19"] == COMMON_COLOUR
    assert shown["pair-3-12"] == shown["knot-8-20"] == PREDICTED_COLOUR
    assert [node.get("id") for node in named(figure, "missed-")] == ["missed-6-22"]
    assert colours(figure, "missed-") == [MISSED_COLOUR]
    assert {"in both", "only predicted", "only in the reference"} <= set(texts(figure))


def test_numbers_and_titles_are_as_chosen():
    found = texts(draw_plane(KNOT, style=Style(title="A title", number_every=7)))
    assert [text for text in found if text.isdigit()] == ["7", "14", "21"]
    assert "A title" in found


def test_every_number_has_a_tick_line():
    figure = draw_plane(KNOT)
    assert [node.get("id") for node in named(figure, "tick-")] == ["tick-10", "tick-20"]


def test_one_base_can_be_drawn():
    record = StructureRecord("one", "A", Structure(1, frozenset()))
    assert "A" in texts(draw_plane(record))
    assert "A" in texts(draw_arcs(record))


def test_a_long_rna_fits_on_a_page():
    length = 3_200
    record = StructureRecord("long", "ACGU" * 800, Structure(length, frozenset({(0, length - 1)})))
    for figure in (draw_plane(record), draw_arcs(record)):
        assert max(figure.get_size_inches()) <= 61.0
        assert not [text for text in texts(figure) if text in "ACGU"]


@pytest.mark.parametrize("draw", [draw_plane, draw_arcs])
@pytest.mark.parametrize(
    ("structure", "message"),
    [
        (Structure(30_001), "30,001 bases; a picture shows at most 30,000"),
        (
            Structure(300, frozenset(itertools.combinations(range(300), 2))),
            "44,850 pairs; a picture shows at most 30,000",
        ),
    ],
    ids=["bases", "pairs"],
)
def test_what_no_picture_shows_is_refused(draw, structure, message):
    record = StructureRecord("large", "A" * structure.length, structure)
    with pytest.raises(StructureError) as caught:
        draw(record)
    assert str(caught.value) == f"record 'large': {message}"


def test_a_reference_of_too_many_pairs_is_refused():
    known = Structure(300, frozenset(itertools.combinations(range(300), 2)))
    for draw in (draw_arcs, draw_plane):
        with pytest.raises(StructureError):
            draw(StructureRecord("x", "A" * 300, Structure(300)), reference=known)
