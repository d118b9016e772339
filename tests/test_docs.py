"""The pages of docs/ are true: every shell block runs, and the transcript shows what comes out.

Blocks marked `sh` run in a folder with the examples under the names that the pages use. The
transcripts (`console`) run in a folder that holds `examples/` only, as the clone does, and are
rewritten with REWRITE_GOLDEN=1.
"""

import gzip
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import DATA, ROOT
from factories.datasets import make_hairpin
from factories.families import make_labelled_members

from rnaformer_cli import StructureRecord, read_structures
from rnaformer_cli.dataset.records import write_dataset
from rnaformer_cli.structure.ct import format_ct
from rnaformer_cli.structure.dbn import format_dbn
from rnaformer_cli.structure.jsonl import format_json

EXAMPLES = ROOT / "examples"
TRANSCRIPTS = {"first-steps.md": 8, "troubleshooting.md": 20, "worked-case.md": 4}
ANNOTATED = ROOT / "docs" / "output.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
INSTALLING = "-m venv"  # the README's two commands are run by CI
TINY = """
[model]
dim = 16
depth = 1
heads = 2
folding = {folding}
[batches]
lengths = [100]
batches_per_step = 2
[run]
steps = 2
"""


def blocks(page):
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [block for block in found if INSTALLING not in block]


PAGES = [page for page in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))) if blocks(page)]


@pytest.fixture(scope="module")
def run_shell(tmp_path_factory):
    """Run a script for a page, in a folder of the page's own with the files that pages name."""
    above = tmp_path_factory.mktemp("pages")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "100",
    }

    def call(page, script):
        folder = above / page
        if not folder.exists():
            folder.mkdir()
            shutil.copytree(EXAMPLES, folder / "examples")
            if page not in TRANSCRIPTS:
                _lay_out_rnas(folder)
                _lay_out_training(folder)
        return subprocess.run(
            ["bash", "-c", script],
            cwd=folder,
            env={
                **environment,
                "RNAFORMER_HOME": str(folder / "home"),
                "XDG_CACHE_HOME": str(folder / "cache"),  # of Snakemake
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )

    return call


def _lay_out_rnas(folder):
    fasta = (EXAMPLES / "rnas.fasta").read_text(encoding="utf-8")
    trna, *others = [f">{text}" for text in fasta.split(">")[1:]]
    (folder / "seqs.fasta").write_text(fasta)
    (folder / "long.fasta").write_text(others[0])
    (folder / "trna.fasta").write_text(trna)
    with gzip.open(folder / "seqs.fa.gz", "wt") as packed:
        packed.write(fasta)
    for name, more in (("reads", ""), ("mixed", ">wrong\nMKVLAA\n")):
        (folder / name).mkdir()
        (folder / name / "a.fasta").write_text("".join(others))
        (folder / name / "b.fa").write_text(trna + more)
    for name in ("known", "predicted", "ours", "rnas", "rnafold"):
        shutil.copy(EXAMPLES / "rnas.dbn", folder / f"{name}.dbn")
    known = list(read_structures(EXAMPLES / "rnas.dbn"))
    (folder / "trna.dbn").write_text(format_dbn(known[0]))
    (folder / "known.ct").write_text("".join(format_ct(record) for record in known))
    (folder / "predicted.jsonl").write_text("".join(format_json(record) for record in known))
    (folder / "shape").mkdir()
    (folder / "shape" / "tRNA-Phe.shape").write_text("17 1.2\n18 0.9\n")
    open_bases = "".join("x" if base == 16 else "." for base in range(known[0].structure.length))
    (folder / "known-pairs.dbn").write_text(f">{known[0].id}\n{known[0].sequence}\n{open_bases}\n")
    (folder / "references").mkdir()
    for record in known:
        (folder / "references" / f"{record.id}.ct").write_text(format_ct(record))
    shutil.copytree(folder / "references", folder / "structures")
    for suffix, target in (("pth", "state_dict.pth"), ("yml", "config.yml")):
        shutil.copy(DATA / "parity" / f"bprna_like.{suffix}", folder / target)


def _lay_out_training(folder):
    records = [
        *(make_hairpin(f"h{n}", 20 + n % 20, n) for n in range(40)),
        *make_labelled_members(1, 8),
    ]
    for name in ("train", "val", "test", "families", "other"):
        write_dataset(folder / f"{name}.jsonl.gz", records)
    hairpins = [make_hairpin(f"s{n}", 20 + n % 20, 100 + n) for n in range(40)]
    records = [StructureRecord(r.id, r.sequence, r.structure) for r in hairpins]
    (folder / "structures.dbn").write_text("".join(map(format_dbn, records)))
    config = folder / "examples/training/fine-tune.toml"
    config.write_text(config.read_text().replace("minutes = 20\nvalidate_every = 4", "steps = 1"))
    (folder / "examples/training/trial.toml").write_text(TINY.format(folding="false"))
    (folder / "run.toml").write_text(TINY.format(folding="true"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_shell_block_runs(run_shell, page):
    if page.name == "pipelines.md":
        pytest.importorskip("snakemake", reason="Snakemake 9 needs Python 3.11")
    done = run_shell(page.name, "set -xeuo pipefail\n" + "".join(blocks(page)))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_a_transcript_shows_what_comes_out(run_shell, name):
    path = ROOT / "docs" / name
    page = path.read_text(encoding="utf-8")
    typed = "".join(_typed_again(part, name, run_shell) for part in _parts(page))
    if os.environ.get("REWRITE_GOLDEN"):
        path.write_text(typed, encoding="utf-8")
    assert typed == path.read_text(encoding="utf-8")
    assert page.count("rnaformer ") >= TRANSCRIPTS[name]


def _parts(page):
    return re.split(r"(^```console\n.*?^```\n)", page, flags=re.DOTALL | re.MULTILINE)


def _typed_again(part, name, shell):
    if not part.startswith("```console"):
        return part
    commands = re.findall(r"^\$ (.*)$", part, re.MULTILINE)
    shown = "".join(f"$ {command}\n{shell(name, command).stdout}" for command in commands)
    return f"```console\n{shown}```\n"


@pytest.mark.parametrize("page", [*ROOT.glob("docs/*.md")], ids=lambda page: page.name)
def test_links_to_headings_resolve(page):
    links = re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text(encoding="utf-8"))
    missing = [
        f"{name}#{anchor}"
        for name, anchor in links
        if anchor not in _anchors(page.parent / (name or page.name))
    ]
    assert missing == []


def _anchors(page):
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_annotated_record_is_what_comes_out(run_shell):
    [annotated] = re.findall(r"^```jsonc\n(.*?)^```", ANNOTATED.read_text("utf-8"), re.M | re.S)
    shown = json.loads(re.sub(r" *//.*", "", annotated))
    command = "rnaformer predict examples/rnas.fasta -q -f jsonl | grep add-riboswitch"
    given = json.loads(run_shell(ANNOTATED.name, command).stdout)
    assert list(shown) == list(given)
    pairs, seconds = given.pop("pairs"), given.pop("seconds")
    assert [pair for pair in shown.pop("pairs") if pair not in pairs] == []
    assert shown.pop("seconds") > 0 < seconds
    assert shown == given


def test_the_reference_is_current():
    written = runpy.run_path(str(ROOT / "scripts" / "reference"))["reference"]()
    assert (ROOT / "docs" / "reference.md").read_text(encoding="utf-8") == written
