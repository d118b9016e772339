"""Shared fixtures and strategies: structures, a small network, commands run in this process."""

import io
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import strategies as st

from rnaformer_cli.structure.structure import Structure, StructureRecord

DATA = Path(__file__).parent / "data"
GOLDEN = Path(__file__).parent / "golden"
ROOT = Path(__file__).parent.parent

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch is imported: one thread a process
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@dataclass(frozen=True)
class CompletedCommand:
    """A finished command: what it printed and its exit code."""

    out: str
    err: str
    code: int


@st.composite
def any_structures(draw, max_length=40):
    """Structures with any pairs, pseudoknots included; no base has several partners."""
    length = draw(st.integers(1, max_length))
    bases = draw(st.permutations(range(length)))
    count = draw(st.integers(0, length // 2))
    pairs = zip(bases[:count], bases[count : 2 * count], strict=True)
    return Structure(length, frozenset((min(pair), max(pair)) for pair in pairs))


@st.composite
def any_structure_records(draw, max_length=40):
    """Structures with a random sequence and an id of one word."""
    structure = draw(any_structures(max_length))
    letters = st.text("ACGUN", min_size=structure.length, max_size=structure.length)
    return StructureRecord(draw(st.text("aZ9_./|-", min_size=1)), draw(letters), structure)


@pytest.fixture
def run_cli(capsys, monkeypatch):
    """A function that runs a command in this process: `run_cli("score", "a.dbn", stdin="x")`."""
    from rnaformer_cli.cli.main import run as run_command

    def call(*arguments, stdin=""):
        data = stdin if isinstance(stdin, bytes) else stdin.encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))
        capsys.readouterr()
        code = run_command([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return CompletedCommand(printed.out, printed.err, code)

    return call


@pytest.fixture(scope="session")
def tiny_network():
    """Two blocks of 16 channels with fixed random weights, at half resolution."""
    import torch

    from rnaformer_cli.model.config import ModelConfig
    from rnaformer_cli.model.network import RNAformer

    torch.manual_seed(7)
    return RNAformer(ModelConfig(dim=16, depth=2, heads=2, ff_factor=2.0)).eval()
