"""Pictures stand side by side in one page, and need nothing outside."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from rnaformer_cli.reporting.pictures import draw_pictures, embed_svg
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.jsonl import DataAgreement, PredictedRecord, PredictionSettings
from rnaformer_cli.structure.structure import Structure, StructureRecord

SETTINGS = PredictionSettings("small", 1, 0.5, "mea")


def predicted(name="x", sequence="GGAAAACC", structure=None):
    structure = structure or parse_dot_bracket("((....))")
    record = StructureRecord(name, sequence, structure)
    return PredictedRecord(record, dict.fromkeys(structure.pairs, 0.25), 0.5, SETTINGS)


HAIRPIN = predicted()
KNOWN = HAIRPIN.structure_record.structure
SEVERAL = predicted(structure=Structure(8, frozenset({(0, 6), (0, 7)})))


def svgs(*values):
    return [picture.svg for picture in draw_pictures(*values)]


SVG = b"""<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1">
 <metadata><a href="http://example.org/"/></metadata>
 <defs><style>*{stroke-linejoin: round}</style><path id="dot" d="M 1.23456 2
L 10.0 -0.999"/></defs>
 <g id="unused"><use xlink:href="#dot" clip-path="url(#clip)"
  style="font-family: 'A', b; fill: #fff"/></g>
 <clipPath id="clip"/>
</svg>"""


def test_a_file_becomes_an_element_with_ids_of_its_own():
    assert embed_svg(SVG, "p1-", 'of "x"') == (
        '<svg xmlns="http://www.w3.org/2000/svg" version="1.1" role="img" '
        'aria-label="of &quot;x&quot;" stroke-linejoin="round">\n '
        '<defs><path d="M 1.23 2 L 10.0 -1.00" id="p1-dot" /></defs>'
        '<g><use clip-path="url(#p1-clip)" style="fill: #fff" href="#p1-dot" /></g>'
        '<clipPath id="p1-clip" /></svg>'
    )


def test_bases_are_coloured_by_reactivity():
    data = DataAgreement("1M7", 2, None, None, (0.0, 1.0, *(6 * [None])))
    with_data = replace(HAIRPIN, agreement=data)
    plane, _ = svgs(with_data, None, "p1", "reactivity")
    assert "relative reactivity" in plane
    for prediction, colouring in ((with_data, "base"), (HAIRPIN, "reactivity")):
        assert "relative reactivity" not in svgs(prediction, None, "p1", colouring)[0]


def ids(svg):
    return re.findall(r' id="([^"]+)"', svg)


def test_two_pictures_of_one_record_have_different_ids():
    found = [ids(svg) for prefix in ("p1", "p2") for svg in svgs(HAIRPIN, KNOWN, prefix)]
    assert len(found) == 6
    assert all(found)
    assert len(set().union(*found)) == sum(map(len, found))


def test_all_that_a_picture_refers_to_is_in_it():
    for svg in svgs(HAIRPIN, KNOWN, "p1"):
        referred = re.findall(r'(?:href="#|url\(#)([^")]+)', svg)
        assert set(referred) <= set(ids(svg))
        assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")


def test_the_same_record_gives_the_same_pictures():
    assert svgs(HAIRPIN, KNOWN, "p1") == svgs(HAIRPIN, KNOWN, "p1")


def test_letters_and_names_are_escaped():
    [plane, _] = svgs(predicted('<b>"&', "<&<&<&<&"), None, "p1")
    root = ElementTree.fromstring(plane)
    assert root.get("aria-label") == 'Structure of <b>"&'
    assert [text for text in root.itertext() if text.strip() == "<"]


@pytest.mark.parametrize(
    ("prediction", "reference", "views"),
    [
        (HAIRPIN, None, ["plane", "dots"]),
        (HAIRPIN, KNOWN, ["plane", "arcs", "dots"]),
        (SEVERAL, None, ["arcs", "dots"]),
        (SEVERAL, KNOWN, ["arcs", "dots"]),
    ],
)
def test_arcs_are_for_comparing_and_for_several_partners(prediction, reference, views):
    pictures = list(draw_pictures(prediction, reference, "p1"))
    assert [picture.view for picture in pictures] == views
    assert all(picture.svg.startswith("<svg ") for picture in pictures)


def test_layers_and_pairs_have_names_that_the_script_reads():
    plane, arcs, dots = svgs(HAIRPIN, KNOWN, "p1")
    assert re.findall(r'data-pair="([^"]+)"', plane) == ["1-8", "2-7"]
    assert re.findall(r'data-pair="([^"]+)"', arcs) == ["1-8", "2-7"] * 2
    assert 'data-layer="bases"' in plane
    assert 'data-layer="frame"' in dots


@pytest.mark.parametrize(
    ("colouring", "n_coloured"), [("probability", 4), ("base", 0), ("none", 0)]
)
def test_bases_are_coloured_by_probability(colouring, n_coloured):
    [plane, _] = svgs(HAIRPIN, None, "p1", colouring)
    assert plane.count("fill: #3b528b; stroke: #333333") == n_coloured  # 0.25 in viridis
    assert ("probability</text>" in plane) == (n_coloured > 0)


def test_a_dot_plot_shows_the_matrix_if_there_is_one():
    matrix = np.full((8, 8), 0.5, np.float32)
    [_, pairs] = svgs(HAIRPIN, None, "p1")
    [_, full] = svgs(HAIRPIN, None, "p1", "base", matrix)
    assert pairs.count('data-layer="probabilities"') == 1
    layers = [
        svg.split('data-layer="probabilities"')[1].split("data-layer")[0] for svg in (pairs, full)
    ]
    assert [layer.count("<path") for layer in layers] == [2, 28]


def test_the_label_of_a_picture_holds_no_control_characters():
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><g/></svg>'
    assert 'aria-label="a\ufffd[31m\ufffdb"' in embed_svg(svg, "p1", "a\x1b[31m\u202eb")
