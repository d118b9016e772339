"""RNAs of the lab: structures to look at, and the helices that must not be lost again."""

import pytest
from conftest import ROOT

from rnaformer_cli import read_structures

LAB = ROOT / "examples"


def structures(name):
    return {record.id: record for record in read_structures(LAB / name)}


@pytest.fixture(scope="module")
def predicted():
    return structures("lab.predicted.dbn")


def test_the_lab_rnas_have_their_expected_output(run_cli):
    expected = (LAB / "lab.predicted.dbn").read_text(encoding="utf-8")
    assert run_cli("predict", LAB / "lab.fasta").out == expected


def test_references_and_sequences_are_of_the_same_rnas(predicted):
    references = structures("lab.dbn")
    assert list(references) == list(predicted)
    assert [r.sequence for r in references.values()] == [r.sequence for r in predicted.values()]


@pytest.mark.parametrize("name", ["sgRNA", "sgRNA-FE", "sgRNA-MS2", "sgRNA-PP7"])
def test_the_repeat_of_a_guide_rna_pairs_with_its_anti_repeat(predicted, name):
    """The family of the tracrRNA lacks the repeat, which is a separate molecule there."""
    known = structures("lab.dbn")[name].structure.pairs
    repeat = {pair for pair in known if pair[0] < 12}
    assert len(repeat & predicted[name].structure.pairs) >= 0.75 * len(repeat)
