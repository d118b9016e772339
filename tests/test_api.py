"""The public names of the package: which they are, and that having them costs nothing."""

import ast
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

import rnaformer_cli

NAMES = [  # in the order in which one meets them; a change here is a change of the interface
    *("load", "predict", "Predictor", "Prediction", "Options"),
    *("read_fasta", "RnaRecord", "Reactivities"),
    *("read_structures", "write_structures", "format_structure", "Structure", "StructureRecord"),
    *("parse_dot_bracket", "format_dot_bracket"),
    *("count_pairs", "PairCounts"),
    *("draw_plane", "draw_arcs", "draw_dots"),
    *("Style", "BaseValues", "probability_values", "reactivity_values", "save_figure"),
    *("RnaformerError", "DeviceError", "__version__"),
]


def test_these_are_the_public_names():
    assert rnaformer_cli.__all__ == NAMES
    assert dir(rnaformer_cli) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_name_is_defined_in_its_module(name):
    value = getattr(rnaformer_cli, name)
    if name != "__version__":
        assert value.__module__ == f"rnaformer_cli.{rnaformer_cli._MODULES[name]}"
        assert value.__name__ == name
        assert value.__doc__


def test_type_checkers_see_the_same_modules():
    [block] = [
        node
        for node in ast.parse(Path(rnaformer_cli.__file__).read_text()).body
        if isinstance(node, ast.If)
    ]
    expected = {
        alias.name: node.module.removeprefix("rnaformer_cli.")
        for node in block.body
        for alias in node.names
    }
    assert expected == rnaformer_cli._MODULES
    assert sorted([*expected, "__version__"]) == sorted(NAMES)


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError) as caught:
        rnaformer_cli.nothing  # noqa: B018  # looking it up is what fails
    assert str(caught.value) == "module 'rnaformer_cli' has no attribute 'nothing'"


def test_a_star_imports_these_names_only():
    names = {}
    exec("from rnaformer_cli import *", names)
    assert set(names) - {"__builtins__"} == set(NAMES)


def test_the_package_and_its_readers_load_no_torch():
    script = (
        "import sys, rnaformer_cli as r\n"
        "r.count_pairs(r.parse_dot_bracket('(..)'), r.Structure(4)), r.read_fasta, r.RnaRecord\n"
        "r.read_structures, r.StructureRecord, r.format_dot_bracket, r.PairCounts\n"
        "r.write_structures, r.format_structure, r.draw_plane, r.save_figure\n"
        "assert 'torch' not in sys.modules\n"
    )
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (finished.returncode, finished.stderr) == (0, "")


def test_one_call_predicts():
    prediction = rnaformer_cli.predict("GGGGAAAACCCC")
    assert len(prediction.dot_bracket) == 12
    assert prediction.structure_record.id == "sequence_1"


def test_the_page_about_the_interface_runs_as_it_is_written(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    first, second = (part.split("```")[0] for part in page.split("```python\n")[1:])
    exec(first, {})
    assert capsys.readouterr().out.startswith("(((((((..((((........))))((((((....")
    exec(second, {})
    assert capsys.readouterr().out.startswith("tRNA-Phe 22 RF00005\n")


def test_the_page_about_the_interface_is_current():
    written = runpy.run_path(str(ROOT / "scripts" / "api"))["page"]()
    assert (ROOT / "docs" / "api.md").read_text(encoding="utf-8") == written


def test_the_page_about_the_interface_has_every_name_in_order():
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert [*re.findall(r"^### (\w+)$", page, re.MULTILINE), "__version__"] == NAMES
