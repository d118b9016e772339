"""The direction of imports: cli -> wings -> prediction -> model; scoring, drawing -> structure.

Read from the sources, imports for type checkers and those inside functions included.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "rnaformer_cli"

GROUND = {"errors", "files", "json_text", "limits"}  # failures, text, sizes: for everyone
WINGS = {"training", "dataset", "evaluation"}
MAY_IMPORT = {  # room -> rooms, besides itself
    "errors": set(),
    "limits": set(),
    "json_text": set(),
    "files": {"errors", "limits"},
    "sequence": GROUND,
    "structure": GROUND,
    "scoring": GROUND | {"structure"},
    "drawing": GROUND | {"structure"},
    "reporting": GROUND | {"structure", "scoring", "drawing"},
    "folding": GROUND,
    "families": GROUND | {"sequence"},
    "model": GROUND | {"folding", "families"},
    "prediction": GROUND | {"sequence", "structure", "families", "model"},
    **{
        wing: GROUND
        | WINGS
        | {"sequence", "structure", "scoring", "folding", "families", "model", "prediction"}
        for wing in WINGS
    },
}
MAY_IMPORT["cli"] = {*MAY_IMPORT, "__init__"}  # also the version
MAY_IMPORT["__main__"] = {"cli"}
MAY_IMPORT["__init__"] = GROUND | {"sequence", "structure", "scoring", "prediction"}

ROOMS_OF_TEXT = ("sequence", "structure", "scoring", "drawing", "reporting", "families")
WITHOUT_TORCH = (*sorted(GROUND), *ROOMS_OF_TEXT)
TALKING = {"click", "rich"}
SOURCES = sorted(ROOT.rglob("*.py"))


def name_of(path):
    """The dotted name below the package: `cli.main`; `__init__` is the package itself."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in SOURCES}


def room_of(module):
    return module.split(".")[0]


@cache
def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path):
    """Everything a source imports, by its full name, wherever in the file."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def foreign(path):
    """The packages of others that a source imports."""
    return {name.split(".")[0] for name in imported(path)} - {"rnaformer_cli"}


def own(path):
    """The modules of this package that a source imports."""
    for name in imported(path):
        if name.split(".")[0] == "rnaformer_cli":
            below = name.removeprefix("rnaformer_cli").removeprefix(".")
            while below and below not in MODULES:  # `structure.ct.format_ct` -> `structure.ct`
                below = below.rpartition(".")[0]
            yield below or "__init__"


def reached_from(module):
    """The modules that are imported for this one, directly or not."""
    found, todo = set(), [module]
    while todo:
        current = todo.pop()
        if current not in found:
            found.add(current)
            todo += own(MODULES[current])
    return found


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    room = room_of(module)
    allowed = MAY_IMPORT[room] | {room}
    assert [name for name in own(MODULES[module]) if room_of(name) not in allowed] == []


def test_every_room_has_its_place_in_the_table():
    assert {room_of(module) for module in MODULES} <= set(MAY_IMPORT)


def test_the_table_itself_has_no_way_back():
    """A room that is below another does not see it, the wings among themselves excepted."""
    for room, below in MAY_IMPORT.items():
        for other in below - {room}:
            assert room not in MAY_IMPORT[other] or {room, other} <= WINGS


@pytest.mark.parametrize("room", WITHOUT_TORCH)
def test_reading_writing_and_scoring_know_no_torch(room):
    paths = [path for module, path in MODULES.items() if room_of(module) == room]
    assert [path for path in paths if "torch" in foreign(path)] == []


@pytest.mark.parametrize(
    "command",
    ["score", "convert", "report", "completion", "main", "options", "tables", "run_report"],
)
def test_what_answers_at_once_reaches_no_torch_when_it_is_imported(command):
    """At the top of each file; what a function imports is its own time."""
    found, todo = set(), [f"cli.{command}"]
    while todo:
        current = todo.pop()
        if current not in found:
            found.add(current)
            todo += at_the_top(MODULES[current])
    assert [name for name in found if "torch" in foreign(MODULES[name])] == []


def at_the_top(path):
    """The modules of this package that are imported whenever this source is."""
    body = ast.Module([node for node in parsed(path).body if not isinstance(node, ast.If)], [])
    names = [
        f"{node.module}.{alias.name}"
        for node in body.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    for name in names:
        below = name.removeprefix("rnaformer_cli.") if name.startswith("rnaformer_cli.") else ""
        while below and below not in MODULES:
            below = below.rpartition(".")[0]
        if below:
            yield below


def test_only_the_command_line_talks_to_people():
    talking = {module for module, path in MODULES.items() if foreign(path) & TALKING}
    assert {room_of(module) for module in talking} == {"cli"}


def test_nothing_prints():
    """The command line writes with click, so that a closed pipe and colours are dealt with."""
    printing = [
        f"{module}:{node.lineno}"
        for module, path in MODULES.items()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"print", "input", "exit", "quit"}
    ]
    assert printing == []


def test_nothing_below_the_command_line_writes_to_the_terminal():
    streams = {"stdout", "stderr"}
    writing = [
        f"{module}:{node.lineno}"
        for module, path in MODULES.items()
        for node in ast.walk(parsed(path))
        if room_of(module) not in {"cli", "__main__"}
        and isinstance(node, ast.Attribute)
        and node.attr in streams
        and isinstance(node.value, ast.Name)
        and node.value.id == "sys"
    ]
    assert writing == []


@pytest.mark.parametrize("module", ["cli.predict", "prediction.predictor", "__init__"])
def test_the_predict_path_reaches_no_wing(module):
    assert {room_of(name) for name in reached_from(module)} & WINGS == set()


def test_the_model_knows_no_strings_and_the_decoding_no_network():
    assert {room_of(name) for name in reached_from("model.network")} == {
        "model",
        "folding",
        "errors",
    }
    assert "model.network" not in reached_from("prediction.decoding")
