"""The notebook of the tutorial: its cells run in order and give the outputs that are stored."""

import ast
import contextlib
import io
import json
import os
import shutil

import pytest
from conftest import ROOT

EXAMPLES = ROOT / "examples"
NOTEBOOK = EXAMPLES / "tutorial.ipynb"


@pytest.fixture
def notebook():
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))


def run_cell(source, namespace):
    """The outputs of a cell, as Jupyter stores them; rich forms of a value are made, not stored."""
    body = ast.parse(source).body
    shown = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    printed, outputs, value = io.StringIO(), [], None
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module(body, []), "cell", "exec"), namespace)
        if shown is not None:
            value = eval(compile(ast.Expression(shown.value), "cell", "eval"), namespace)
    if printed.getvalue():
        text = printed.getvalue().splitlines(keepends=True)
        outputs.append({"name": "stdout", "output_type": "stream", "text": text})
    if value is not None:
        if hasattr(value, "_repr_html_"):
            assert "<img" in value._repr_html_()
        data = {"text/plain": repr(value).splitlines(keepends=True)}
        outputs.append({"data": data, "metadata": {}, "output_type": "execute_result"})
    return outputs


def test_the_cells_run_in_order_and_give_their_outputs(notebook, tmp_path, monkeypatch):
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    monkeypatch.chdir(tmp_path / "examples")
    namespace = {}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(cells, start=1):
        outputs = run_cell("".join(cell["source"]), namespace)
        for output in outputs:
            if output["output_type"] == "execute_result":
                output["execution_count"] = number
        if os.environ.get("REWRITE_GOLDEN"):
            cell["outputs"], cell["execution_count"] = outputs, number
        assert cell["outputs"] == outputs, "".join(cell["source"])
        assert cell["execution_count"] == number
    if os.environ.get("REWRITE_GOLDEN"):
        text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True)
        NOTEBOOK.write_text(f"{text}\n", encoding="utf-8")


def test_the_file_is_a_notebook_of_version_4(notebook):
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["language_info"] == {"name": "python"}
    names = [cell["id"] for cell in notebook["cells"]]
    assert len(set(names)) == len(names)
    for cell in notebook["cells"]:
        fields = {"cell_type", "id", "metadata", "source"}
        code = {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        assert cell.keys() == fields | code
