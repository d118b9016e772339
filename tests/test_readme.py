"""README and examples are true: links resolve, outputs are what the shipped weights give."""

import re
import runpy
import subprocess

import pytest
from conftest import ROOT

from rnaformer_cli.cli.main import COMMANDS
from rnaformer_cli.training.network.config import read_config

README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "weights" / "README.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_local_links_resolve(page):
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert missing == []


WRAPPED = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    *(ROOT / "docs" / f"{name}.md" for name in ("api", "gpu", "measurements", "published-weights")),
    *(ROOT / "docs" / f"{name}.md" for name in ("reliability", "results", "speed", "training")),
    *(path for name in ("examples", "weights", "tests") for path in (ROOT / name).rglob("*.md")),
]


@pytest.mark.parametrize("page", WRAPPED, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_are_short_enough_to_compare(page):
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > 120] == []


@pytest.mark.parametrize("bench", ["faults", "fuzz"])
def test_a_bench_finds_its_tables_and_writes_them_as_they_are(bench, tmp_path):
    page, copy = ROOT / "docs" / "measurements.md", tmp_path / "measurements.md"
    text = page.read_text(encoding="utf-8")
    copy.write_text(text, encoding="utf-8")
    names = runpy.run_path(str(ROOT / "benches" / f"{bench}.py"))
    assert names["PAGE"] == page
    table = text.split(names["BEGIN"])[1].split(names["END"])[0].strip()
    if bench == "faults":
        sections = dict(part.split("\n\n", 1) for part in table.split("### ")[1:])
        assert list(sections) == [title for title, _ in names["PARTS"].values()]
        write, rows = names["write"], [(sections,)]
    else:
        rows = [(row.split()[1], row) for row in table.splitlines()[2:]]
        write = names["write_row"]
    write.__globals__["PAGE"] = copy
    for row in rows:
        write(*row)
    assert copy.read_text(encoding="utf-8") == text


def test_two_commands_do_everything_on_a_fresh_machine():
    commands = [block for block in SHELL.findall(README) if "-m venv" in block]
    install = "python3 -m venv .venv &&\n  .venv/bin/pip install -q -c constraints.txt "
    predict = ".venv/bin/rnaformer predict examples/rnas.fasta --ref examples/rnas.dbn"
    assert commands == [
        f"{install}. &&\n  {predict}\n",
        f"{install}'.[test]' &&\n  .venv/bin/pytest -n 2\n",
    ]


def test_ci_runs_these_commands():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    reader = re.search(r"^command_of_readme\(\) \{.*?^\}\n", script, re.DOTALL | re.MULTILINE)[0]
    call = f"{reader}command_of_readme 1; command_of_readme 2"
    found = subprocess.run(["bash", "-c", call], cwd=ROOT, capture_output=True, text=True)
    commands = [block for block in SHELL.findall(README) if "-m venv" in block]
    assert found.stdout == "".join(commands)


def test_every_command_in_the_readme_exists():
    blocks = "".join(SHELL.findall(README))
    named = set(re.findall(r"\brnaformer ([a-z]+)", blocks))
    assert named - set(COMMANDS) == set()
    assert {"predict", "score", "weights"} <= named


def test_the_output_shown_is_what_the_shipped_weights_give(run_cli):
    shown = re.search(r"```text\n(.*?)\.\.\.\n```", README, re.DOTALL)[1]
    done = run_cli("predict", ROOT / "examples" / "rnas.fasta")
    assert done.out.startswith(shown)
    assert shown.count("\n") >= 3


def test_the_examples_have_their_expected_output(run_cli):
    expected = (ROOT / "examples" / "rnas.predicted.dbn").read_text(encoding="utf-8")
    assert run_cli("predict", ROOT / "examples" / "rnas.fasta").out == expected


@pytest.mark.parametrize(
    "path", sorted((ROOT / "examples" / "training").glob("*.toml")), ids=lambda path: path.name
)
def test_example_configs_are_read(path):
    assert read_config(path).model.patch == 2
