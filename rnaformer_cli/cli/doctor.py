"""`rnaformer doctor`: shows the installation and runs a self-test."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from collections.abc import Mapping
from importlib import metadata

import click

from rnaformer_cli import __version__
from rnaformer_cli.cli.arguments import options
from rnaformer_cli.cli.formats.text import escape_controls
from rnaformer_cli.errors import RnaformerError

PACKAGES = ("torch", "numpy", "biopython", "rustworkx", "safetensors", "click", "rich", "pyyaml")
TASKS = {  # task -> additional packages that it needs: imported module -> package
    "pictures": {"matplotlib": "matplotlib", "RNA": "viennarna"},
    "labels": {"RNA": "viennarna"},
    "reports": {"jinja2": "jinja2"},
}

# Yeast tRNA-Phe with the 21 pairs of its cloverleaf (Kim 1974, PDB 1EHZ).
SELF_TEST = "GCGGAUUUAGCUCAGUUGGGAGAGCGCCAGACUGAAGAUCUGGAGGUCCUGUGUUCGAUCCACAGAAUUCGCACCA"
SELF_TEST_PAIRS = "(((((((..((((........)))).(((((.......))))).....(((((.......))))))))))))...."
SELF_TEST_MIN_PAIRS = 10  # correct pairs; a working installation finds more


@click.command()
@options.weights
@options.device
def command(weights: str | None, device: str) -> None:
    """Show versions, devices and memory, and predict a known tRNA as a self-test.

    The rows `pictures`, `labels` and `reports` show whether the additional packages of `draw`,
    `data label --rnafold` and `report` are installed. The exit code is 1 if the self-test fails.
    """
    _row("rnaformer", __version__)
    _row("python", f"{platform.python_version()} ({sys.executable})")
    _row("system", f"{platform.system()} {platform.machine()}")
    for package in PACKAGES:
        _row(package, _version(package))
    _row("memory", _memory())
    import torch

    _row("threads", f"{torch.get_num_threads()} of {os.cpu_count()} processors")
    _row("bf16", _bf16())
    _row("cuda", _cuda())
    for task, modules in TASKS.items():
        _row(task, _task(modules))
    try:
        _row("self-test", _self_test(weights, device))
    except RnaformerError as error:
        _row("self-test", f"FAILED: {escape_controls(str(error))}")
        raise click.exceptions.Exit(1) from None


def _task(modules: Mapping[str, str]) -> str:
    """yes, or which packages of a task are missing."""
    missing = [name for module, name in modules.items() if importlib.util.find_spec(module) is None]
    return f"no: needs {' and '.join(missing)}" if missing else "yes"


def _row(name: str, value: str) -> None:
    click.echo(f"{name:<12} {escape_controls(value)}")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE")
        total, free = (os.sysconf(name) * size for name in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES"))
    except (ValueError, OSError, AttributeError):
        return "unknown"
    return f"{free / 2**30:.1f} GiB free of {total / 2**30:.1f} GiB"


def _bf16() -> str:
    import torch

    from rnaformer_cli.prediction.device import has_bf16

    is_native = has_bf16(torch.device("cpu"))
    return "yes" if is_native else "not supported by this processor: --precision bf16 is slow"


def _cuda() -> str:
    import torch

    if not torch.cuda.is_available():
        return "none"
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return ", ".join(names)


def _self_test(weights: str | None, device: str) -> str:
    from rnaformer_cli.errors import WeightsError
    from rnaformer_cli.prediction.predictor import Prediction, load
    from rnaformer_cli.sequence.record import RnaRecord
    from rnaformer_cli.structure.brackets import parse_dot_bracket
    from rnaformer_cli.weight_store.store import DEFAULT, find_weights

    folder = find_weights(DEFAULT if weights is None else weights)
    predictor = load(folder, device=device)
    [prediction] = predictor.predict([RnaRecord("tRNA-Phe", SELF_TEST)])
    if not isinstance(prediction, Prediction):
        raise prediction
    common = len(prediction.structure.pairs & parse_dot_bracket(SELF_TEST_PAIRS).pairs)
    if common < SELF_TEST_MIN_PAIRS:
        raise WeightsError(f"{common} of 21 pairs of tRNA-Phe found with {predictor.name}")
    return f"{common} of 21 pairs of tRNA-Phe with {predictor.name} on {predictor.device}"
