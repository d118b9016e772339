"""The HTML of a structure: a picture of its own, and text for those that have none."""

import base64
import re
import sys

from rnaformer_cli.drawing.notebook import MAX_BASES, structure_html
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.structure import Structure, StructureRecord

HAIRPIN = StructureRecord("<x>", "GGGAAACCC", parse_dot_bracket("(((...)))"))


def picture(html):
    [data] = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', html)
    return base64.b64decode(data).decode()


def test_a_structure_is_shown_with_its_picture_and_brackets():
    html = structure_html(HAIRPIN, "confidence 0.90")
    assert picture(html).count('id="pair-') == 3
    assert "<figcaption>&lt;x&gt;: 9 bases, confidence 0.90</figcaption>" in html
    assert "GGGAAACCC\n(((...)))</pre>" in html
    assert "<x>" not in html


def test_a_base_with_several_partners_is_shown_as_arcs():
    structure = Structure(9, frozenset({(0, 8), (0, 7)}))
    html = structure_html(StructureRecord("x", "GGGAAACCC", structure), "")
    assert picture(html).count('id="arc-') == 2
    assert "GGGAAACCC</pre>" in html


def test_a_long_rna_is_shown_without_a_picture():
    length = MAX_BASES + 1
    html = structure_html(StructureRecord("x", "A" * length, Structure(length)), "")
    assert "<img" not in html
    assert "." * length in html


def test_without_the_packages_for_pictures_there_is_text(monkeypatch):
    monkeypatch.setitem(sys.modules, "RNA", None)
    html = structure_html(HAIRPIN, "")
    assert "<img" not in html
    assert "(((...)))" in html
