"""RNA 2D JSON: what the schema demands, and the same picture as `draw_plane`."""

import json
import os

import numpy as np
import pytest
from conftest import GOLDEN, any_structure_records
from hypothesis import given, settings

from rnaformer_cli.drawing.layout import layout_plane
from rnaformer_cli.drawing.rna2d import UNIT, format_rna2d
from rnaformer_cli.errors import StructureError
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.structure import Structure, StructureRecord

KNOT = StructureRecord("knot", "GGGAAACCCCCCUUUGGGA", parse_dot_bracket("(((...[[[)))...]]]."))
GOLDEN_FILE = GOLDEN / "rna2d" / "knot.json"


def molecule_of(record):
    """The only molecule, after the fields of the objects around it were checked."""
    document = json.loads(format_rna2d(record))
    assert document.keys() == {"rnaComplexes", "classes"}
    [one] = document["rnaComplexes"]
    assert one.keys() == {"name", "rnaMolecules"}
    [molecule] = one["rnaMolecules"]
    assert molecule.keys() == {"name", "sequence", "basePairs", "labels"}
    return molecule


def test_the_output_is_the_golden_file():
    written = format_rna2d(KNOT)
    if os.environ.get("REWRITE_GOLDEN"):
        GOLDEN_FILE.parent.mkdir(exist_ok=True)
        GOLDEN_FILE.write_text(written, encoding="utf-8")
    assert written == GOLDEN_FILE.read_text(encoding="utf-8")


def test_coordinates_are_those_of_the_picture_with_y_down():
    points = [(base["x"], base["y"]) for base in molecule_of(KNOT)["sequence"][1:-1]]
    expected = layout_plane(KNOT.structure)[0] * (UNIT, -UNIT)
    np.testing.assert_allclose(points, expected, atol=0.006)


def test_the_ends_are_residues_beside_the_first_and_the_last_base():
    first, *bases, last = molecule_of(KNOT)["sequence"]
    assert (first["residueName"], last["residueName"]) == ("5'", "3'")
    for end, base in ((first, bases[0]), (last, bases[-1])):
        distance = np.hypot(end["x"] - base["x"], end["y"] - base["y"])
        assert distance == pytest.approx(UNIT, abs=0.02)


@pytest.mark.parametrize(
    ("letters", "kind"),
    [("GC", "canonical"), ("UA", "canonical"), ("GU", "wobble"), ("AG", "mismatch"), ("GN", None)],
)
def test_a_pair_has_its_type(letters, kind):
    record = StructureRecord("x", f"{letters[0]}AAA{letters[1]}", parse_dot_bracket("(...)"))
    [pair] = molecule_of(record)["basePairs"]
    fields = {"residueIndex1": 1, "residueIndex2": 5, "basePairType": kind, "classes": []}
    assert pair == fields


@settings(max_examples=50, deadline=None)
@given(any_structure_records())
def test_the_record_can_be_read_back(record):
    molecule = molecule_of(record)
    residues = molecule["sequence"]
    assert [base["residueIndex"] for base in residues] == list(range(len(record.sequence) + 2))
    assert "".join(base["residueName"] for base in residues[1:-1]) == record.sequence
    pairs = [
        (pair["residueIndex1"] - 1, pair["residueIndex2"] - 1) for pair in molecule["basePairs"]
    ]
    assert Structure(record.structure.length, frozenset(pairs)) == record.structure
    assert molecule["name"] == record.id
    assert all(np.isfinite([base["x"], base["y"]]).all() for base in residues)


def test_a_base_with_several_partners_can_be_held():
    structure = Structure(9, frozenset({(0, 8), (0, 7)}))
    assert len(molecule_of(StructureRecord("x", "GGGAAACCC", structure))["basePairs"]) == 2


def test_an_rna_that_is_too_long_is_refused():
    record = StructureRecord("x", "A" * 30_001, Structure(30_001))
    with pytest.raises(StructureError, match=r"^record 'x': 30,001 bases; a picture shows at most"):
        format_rna2d(record)
