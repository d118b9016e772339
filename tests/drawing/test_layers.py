"""Layers of SVG files: groups with names, in the order of drawing."""

from factories.pictures import KNOT, SVG, elements

from rnaformer_cli.drawing.arcs import draw_arcs
from rnaformer_cli.drawing.layers import INKSCAPE, add_layers
from rnaformer_cli.drawing.plane import draw_plane
from rnaformer_cli.drawing.style import Style


def layers(figure):
    """The labels of the layers with the ids of their children."""
    groups = [node for node in elements(figure) if node.get(f"{{{INKSCAPE}}}groupmode") == "layer"]
    return {
        group.get(f"{{{INKSCAPE}}}label"): [child.get("id") for child in group] for group in groups
    }


def test_the_parts_of_a_plane_are_layers():
    found = layers(draw_plane(KNOT, style=Style(title="x")))
    assert list(found) == [
        "Background",
        "Backbone",
        "Base pairs",
        "Pseudoknots",
        "Tick lines",
        "Bases",
        "Letters",
        "Numbers",
        "Title",
        "Legend",
    ]
    assert found["Pseudoknots"] == ["knot-8-20", "knot-9-19", "knot-10-18"]
    assert found["Numbers"] == ["end-1", "end-23", "number-10", "number-20"]


def test_arcs_above_and_below_are_two_layers():
    found = layers(draw_arcs(KNOT, KNOT.structure))
    assert len(found["Pairs above the sequence"]) == len(KNOT.structure.pairs)
    assert len(found["Pairs below the sequence"]) == len(KNOT.structure.pairs)


def test_ids_are_used_once():
    ids = [node.get("id") for node in elements(draw_plane(KNOT)) if node.get("id")]
    assert len(ids) == len(set(ids))


def test_a_file_without_groups_is_unchanged():
    svg = f'<svg xmlns="{SVG[1:-1]}"/>'.encode()
    assert add_layers(svg) == svg
