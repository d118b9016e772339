"""Pictures: read back as SVG, counted, and the same bytes every time."""

import io
import itertools
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_hex

from rnaformer_cli.drawing.picture import (
    COMMON_COLOUR,
    LETTER_COLOURS,
    MISSED_COLOUR,
    OTHER_LETTER,
    PREDICTED_COLOUR,
    PSEUDOKNOT_COLOUR,
    REACTIVE_COLOUR,
    draw_arcs,
    draw_dots,
    draw_plane,
    drawing_format,
    save_figure,
)
from rnaformer_cli.errors import OutputError, StructureError
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.structure import Structure, StructureRecord

SIGNS = "((((...[[[))))...]]]..."
LETTERS = "GGGGAAACCCCCCCAAAGGGUUN"
RECORD = StructureRecord("knot", LETTERS, parse_dot_bracket(SIGNS))
SVG = "{http://www.w3.org/2000/svg}"


def written(figure, image="svg"):
    file = io.BytesIO()
    save_figure(figure, file, image)
    return file.getvalue()


def texts(figure):
    tree = ElementTree.fromstring(written(figure).decode())
    return ["".join(node.itertext()) for node in tree.iter(f"{SVG}text")]


def colours(figure, gid):
    """The colours of the elements that were drawn under a name."""
    tree = ElementTree.fromstring(written(figure).decode())
    groups = [node for node in tree.iter(f"{SVG}g") if node.get("id", "").startswith(gid)]
    styles = [path.get("style", "") for group in groups for path in group.iter(f"{SVG}path")]
    return [re.search(r"stroke: (#\w+)", style)[1].upper() for style in styles]


def test_the_plane_shows_every_letter_both_ends_and_every_tenth_number():
    found = texts(draw_plane(RECORD))
    assert [text for text in found if text in "ACGUN"] == list(LETTERS)
    assert [text for text in found if text.isdigit()] == ["10", "20"]
    assert {"5'", "3'"} <= set(found)


def test_the_plane_shows_every_pair_and_pseudoknots_apart():
    figure = draw_plane(RECORD)
    axes = figure.axes[0]
    assert sum(line.get_gid() == "pair" for line in axes.lines) == 4
    assert sum(patch.get_gid() == "knot" for patch in axes.patches) == 3
    assert set(colours(figure, "knot")) == {PSEUDOKNOT_COLOUR}


def test_letters_have_the_colours_of_their_kind():
    [bases] = [one for one in draw_plane(RECORD).axes[0].collections if one.get_gid() == "bases"]
    red, green, blue = (int(LETTER_COLOURS["G"][i : i + 2], 16) / 255 for i in (1, 3, 5))
    assert bases.get_facecolor()[0][:3] == pytest.approx((red, green, blue))
    assert len(bases.get_facecolor()) == len(LETTERS)


def test_arcs_compare_with_a_reference():
    reference = parse_dot_bracket("(((.......))).........."[: len(LETTERS)])
    known = frozenset({(0, 13), (1, 12), (5, 20)})
    reference = Structure(len(LETTERS), known)
    figure = draw_arcs(RECORD, reference)
    shown = colours(figure, "arc")
    assert shown.count(COMMON_COLOUR) == 2 * 2  # above and below
    assert shown.count(MISSED_COLOUR) == 1
    assert shown.count(PREDICTED_COLOUR) == len(RECORD.structure.pairs) - 2
    above = [arc for arc in figure.axes[0].patches if arc.center[1] > 0]
    assert len(above) == len(known)


def test_arcs_alone_show_pseudoknots_apart():
    shown = colours(draw_arcs(RECORD), "arc")
    assert len(shown) == len(RECORD.structure.pairs)
    assert shown.count(PSEUDOKNOT_COLOUR) == len(RECORD.structure.crossing_pairs())


def test_a_dot_plot_has_scores_above_and_the_structure_below():
    scores = np.zeros((len(LETTERS), len(LETTERS)), dtype=np.float32)
    scores[0, 13] = scores[13, 0] = 0.75
    axes = draw_dots(RECORD, scores).axes[0]
    assert axes.images[0].get_array()[0, 13] == pytest.approx(0.75)
    assert axes.images[0].get_array()[13, 0] == 0.0
    found = {tuple(place) for place in axes.collections[0].get_offsets().tolist()}
    assert found == {(left + 1, right + 1) for left, right in RECORD.structure.pairs}


@pytest.mark.parametrize(
    ("image", "magic"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")]
)
def test_pictures_have_the_same_bytes_every_time(image, magic):
    one, other = (written(draw_plane(RECORD), image) for _ in range(2))
    assert one == other
    assert one.startswith(magic)


def test_one_base_can_be_drawn():
    record = StructureRecord("one", "A", Structure(1, frozenset()))
    assert "A" in texts(draw_plane(record))
    assert "A" in texts(draw_arcs(record))


def test_a_long_rna_fits_on_a_page():
    length = 1200
    record = StructureRecord("long", "ACGU" * 300, Structure(length, frozenset({(0, length - 1)})))
    for figure in (draw_plane(record), draw_arcs(record)):
        assert max(figure.get_size_inches()) <= 60.0
        assert not [text for text in texts(figure) if text in "ACGU"]


def test_the_suffix_decides_the_format_of_a_picture():
    assert drawing_format("a/b.SVG") == "svg"
    with pytest.raises(OutputError) as caught:
        drawing_format("picture.gif")
    expected = "picture.gif: expected a name that ends in .svg, .png, .pdf or .json"
    assert str(caught.value) == expected


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
    with pytest.raises(StructureError):
        draw_arcs(StructureRecord("x", "A" * 300, Structure(300)), known)


def base_colours(figure):
    """The colours of the bases, in order."""
    [bases] = [one for one in figure.axes[0].collections if one.get_gid() == "bases"]
    return [to_hex(colour).upper() for colour in bases.get_facecolors()]


def test_bases_are_coloured_by_reactivity():
    record = StructureRecord("x", "GAC", parse_dot_bracket("..."))
    figure = draw_plane(record, [0.0, 1.0, None])
    assert base_colours(figure) == ["#FFFFFF", REACTIVE_COLOUR, OTHER_LETTER]
    assert base_colours(draw_plane(record, [0.5, 0.5, 0.5])) == ["#EAAE80"] * 3  # half of each
    assert base_colours(draw_plane(record)) == [LETTER_COLOURS[letter] for letter in "GAC"]
