"""What is released: the same bytes from the same sources, and nothing that does not belong."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import PurePath

import pytest
from conftest import ROOT

SOURCES = ("rnaformer_cli", "weights", "docs", "setup.py", "pyproject.toml", "README.md", "LICENSE")
OTHERS = ("benches", "examples", "scripts", "tests", ".ci", "MANIFEST.in", "CHANGELOG.md")
OTHERS += ("CITATION.cff", "CONTRIBUTING.md", "SECURITY.md", "constraints.txt", ".github")
OTHERS += ("Dockerfile", ".dockerignore")
MAY_BE_IN_A_WHEEL = {
    *(".py", ".typed", ".md", ".json", ".safetensors", ".1", ".html", ".css", ".js", ".tsv")
}


def build(what, folder):
    """Build from a copy of the sources, as a release does, whenever that is."""
    copy = folder / "sources"
    copy.mkdir(parents=True)
    for name in (*SOURCES, *(OTHERS if what == "sdist" else ())):
        if (ROOT / name).is_dir():
            leave = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(ROOT / name, copy / name, ignore=leave)
        else:
            shutil.copy(ROOT / name, copy)
    code = f"from setuptools import build_meta; build_meta.build_{what}('..')"
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    command = [sys.executable, "-W", "ignore", "-c", code]
    subprocess.run(command, cwd=copy, env=environment, check=True, capture_output=True)
    [built] = folder.glob("*.whl" if what == "wheel" else "*.tar.gz")
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build("wheel", tmp_path_factory.mktemp("wheel"))


def test_a_wheel_built_twice_is_the_same(wheel, tmp_path):
    again = build("wheel", tmp_path / "again")
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def test_a_wheel_holds_the_package_its_weights_and_no_more(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    own = {
        f"rnaformer_cli/{path.relative_to(ROOT / 'rnaformer_cli')}"
        for path in (ROOT / "rnaformer_cli").rglob("*.py")
    }
    assert own <= set(names)
    assert "rnaformer_cli/weights/rnaformer-small/model.safetensors" in names
    tops = {PurePath(name).parts[0].split("-")[0] for name in names}
    assert tops == {"rnaformer_cli"}
    others = [name for name in names if ".dist-info/" not in name]
    assert {PurePath(name).suffix for name in others} <= MAY_BE_IN_A_WHEEL


def test_a_source_distribution_holds_what_builds_and_tests_the_wheel(tmp_path):
    with tarfile.open(build("sdist", tmp_path / "sdist")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"setup.py", "pyproject.toml", "README.md", "LICENSE", "docs/man/rnaformer.1"}
    assert needed <= names
    assert "weights/rnaformer-small/model.safetensors" in names
    assert "rnaformer_cli/limits.py" in names
    own = {
        str(path.relative_to(ROOT))
        for folder in ("tests", "docs", "examples", "benches", "scripts")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not {"__pycache__", ".snakemake"} & set(path.parts)
    }
    assert own | {name for name in OTHERS if (ROOT / name).is_file()} <= names
    assert ".ci/run" in names
    assert not any(name.endswith(".pyc") for name in names)
