"""The direction of imports between packages; docs/design.md has the same table in words.

Read from the sources, imports for type checkers and those inside functions included.
"""

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "rnaformer_cli"

BASE = {"errors", "files", "json_text", "limits"}  # failures, text, sizes: for everyone
DEVELOPMENT = {"training", "dataset", "evaluation"}  # predicting needs none of these
MAY_IMPORT = {  # package -> packages, besides itself
    "errors": set(),
    "limits": set(),
    "json_text": set(),
    "files": {"errors", "limits"},
    "sequence": BASE,
    "probing": BASE | {"sequence"},
    "constraints": BASE | {"sequence"},
    "structure": BASE,
    "scoring": BASE | {"structure"},
    "drawing": BASE | {"structure"},
    "reporting": BASE | {"structure", "scoring", "drawing"},
    "folding": BASE | {"structure"},
    "families": BASE | {"sequence"},
    "model": BASE | {"folding", "families"},
    "weight_store": BASE | {"model"},
    "prediction": BASE
    | {"sequence", "structure", "drawing", "families", "folding", "model", "probing"}
    | {"weight_store"},
    "dataset": BASE | {"sequence", "structure", "folding", "prediction"},
    "training": BASE
    | {"probing", "sequence", "structure", "scoring", "folding", "families", "model"}
    | {"prediction", "dataset"},
    "evaluation": BASE | {"sequence", "structure", "scoring", "prediction", "dataset"},
}
MAY_IMPORT["cli"] = {*MAY_IMPORT, "__init__"}  # also the version
MAY_IMPORT["__main__"] = {"cli"}
MAY_IMPORT["__init__"] = BASE | {"sequence", "structure", "scoring", "drawing", "prediction"}

TRAINING_MAY_IMPORT = {  # below training/, besides itself
    "batches": set(),
    "network": {"batches"},
    "folding_model": {"batches"},
    "family_profiles": set(),
    "release": {"network"},
}
NOT_COMMANDS = {"formats": set(), "arguments": {"formats", "run"}, "run": {"formats"}}  # in cli/

TEXT_PACKAGES = (
    "sequence",
    "probing",
    "constraints",
    "structure",
    "scoring",
    "drawing",
    "reporting",
    "families",
)
WITHOUT_TORCH = (*sorted(BASE), *TEXT_PACKAGES)
TALKING = {"click", "rich"}
SOURCES = sorted(ROOT.rglob("*.py"))


def name_of(path):
    """The dotted name below the package: `cli.main`; `__init__` is the package itself."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in SOURCES}


def package_of(module):
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


def third_party_imports(path):
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
    package = package_of(module)
    allowed = MAY_IMPORT[package] | {package}
    assert [name for name in own(MODULES[module]) if package_of(name) not in allowed] == []


def test_every_package_is_in_the_table():
    assert {package_of(module) for module in MODULES} <= set(MAY_IMPORT)


def test_the_table_has_no_cycle():
    TopologicalSorter(MAY_IMPORT).prepare()  # raises CycleError


def test_the_design_page_has_the_same_table():
    """Rows of packages; the base modules, which every package may import, are left out there."""
    page = (ROOT.parent / "docs/design.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)/` \|.*\| (.*) \|$", page, re.MULTILINE)
    written = {name: set(re.findall(r"`(\w+)`", below)) for name, below in rows}
    packages = set(MAY_IMPORT) - BASE - {"__main__", "__init__", "cli"}
    assert set(written) == {*packages, "cli", "weights"}
    assert {name: written[name] for name in packages} == {
        name: MAY_IMPORT[name] - BASE for name in packages
    }


@pytest.mark.parametrize("module", [name for name in MODULES if name.count(".") > 1])
def test_packages_within_training_and_cli_import_one_way(module):
    parent, package, _ = module.split(".", 2)
    below = {"training": TRAINING_MAY_IMPORT, "cli": NOT_COMMANDS}[parent]
    inside = [name for name in own(MODULES[module]) if package_of(name) == parent]
    allowed = {package, *below[package]}
    assert [name for name in inside if name.split(".")[1] not in allowed] == []


@pytest.mark.parametrize("package", WITHOUT_TORCH)
def test_reading_writing_and_scoring_import_no_torch(package):
    paths = [path for module, path in MODULES.items() if package_of(module) == package]
    assert [path for path in paths if "torch" in third_party_imports(path)] == []


@pytest.mark.parametrize(
    "command",
    [
        "score",
        "convert",
        "report",
        "completion",
        "main",
        "arguments.options",
        "formats.tables",
        "run.progress",
    ],
)
def test_quick_commands_import_no_torch_at_the_top_of_a_module(command):
    """At the top of each file; what a function imports is its own time."""
    found, todo = set(), [f"cli.{command}"]
    while todo:
        current = todo.pop()
        if current not in found:
            found.add(current)
            todo += at_the_top(MODULES[current])
    assert [name for name in found if "torch" in third_party_imports(MODULES[name])] == []


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


def test_only_the_command_line_imports_terminal_libraries():
    talking = {module for module, path in MODULES.items() if third_party_imports(path) & TALKING}
    assert {package_of(module) for module in talking} == {"cli"}


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
        if package_of(module) not in {"cli", "__main__"}
        and isinstance(node, ast.Attribute)
        and node.attr in streams
        and isinstance(node.value, ast.Name)
        and node.value.id == "sys"
    ]
    assert writing == []


@pytest.mark.parametrize("module", ["cli.predict", "prediction.predictor", "__init__"])
def test_predicting_imports_nothing_of_development(module):
    assert {package_of(name) for name in reached_from(module)} & DEVELOPMENT == set()


def test_the_model_imports_no_readers_and_decoding_no_network():
    assert {package_of(name) for name in reached_from("model.network")} == {
        "model",
        "folding",
        "errors",
    }
    assert "model.network" not in reached_from("prediction.decoding")
