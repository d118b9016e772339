"""Pictures stand side by side in one page, and need nothing outside."""

import re
from xml.etree import ElementTree

import pytest

from rnaformer_cli.reporting.pictures import draw_svg, embed_svg, shows_arcs
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.structure import Structure, StructureRecord

HAIRPIN = StructureRecord("x", "GGAAAACC", parse_dot_bracket("((....))"))
SEVERAL = Structure(8, frozenset({(0, 6), (0, 7)}))

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


def ids(svg):
    return re.findall(r' id="([^"]+)"', svg)


def test_two_pictures_of_one_record_have_different_ids():
    one, other = draw_svg(HAIRPIN, None, "p1"), draw_svg(HAIRPIN, None, "p2")
    assert ids(one)
    assert set(ids(one)).isdisjoint(ids(other))
    assert len(set(ids(one))) == len(ids(one))


def test_all_that_a_picture_refers_to_is_in_it():
    svg = draw_svg(HAIRPIN, HAIRPIN.structure, "p1")
    referred = re.findall(r'(?:href="#|url\(#)([^")]+)', svg)
    assert referred
    assert set(referred) <= set(ids(svg))
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")


def test_the_same_record_gives_the_same_picture():
    assert draw_svg(HAIRPIN, None, "p1") == draw_svg(HAIRPIN, None, "p1")


def test_letters_and_names_are_escaped():
    record = StructureRecord('<b>"&', "<&<&<&<&", HAIRPIN.structure)
    root = ElementTree.fromstring(draw_svg(record, None, "p1"))
    assert root.get("aria-label") == 'Structure of <b>"&'
    assert [text for text in root.itertext() if text.strip() == "<"]


@pytest.mark.parametrize(
    ("structure", "reference", "arcs"),
    [
        (HAIRPIN.structure, None, False),
        (HAIRPIN.structure, HAIRPIN.structure, True),
        (SEVERAL, None, True),
    ],
)
def test_arcs_are_for_comparing_and_for_several_partners(structure, reference, arcs):
    record = StructureRecord("x", HAIRPIN.sequence, structure)
    assert shows_arcs(structure, reference) is arcs
    assert draw_svg(record, reference, "p1").startswith("<svg ")


def test_the_label_of_a_picture_holds_no_control_characters():
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><g/></svg>'
    assert 'aria-label="a\ufffd[31m\ufffdb"' in embed_svg(svg, "p1", "a\x1b[31m\u202eb")
