"""Files of a training run: config, environment, metrics, state, weights and curves."""

from __future__ import annotations

import io
import json
import math
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import IO, Any, cast

import torch
from torch import Tensor

from rnaformer_cli.errors import ConfigError, InputError, TrainingError
from rnaformer_cli.files import make_folder, read_bytes, text_name, write_atomically, write_text
from rnaformer_cli.model.checkpoint import save_checkpoint
from rnaformer_cli.model.config import ModelConfig
from rnaformer_cli.model.tensor_file import parse_tensors
from rnaformer_cli.training.network.config import TrainConfig

CONFIG = "config.json"
ENVIRONMENT = "environment.json"
METRICS = "metrics.jsonl"
STATE_INDEX = "last.json"  # lists the files of the last state
BEST = "best"
LAST_VALIDATED = "latest"  # weights of the last validation
CURVES = "curves.svg"

PART_BYTES = 15 * 2**20  # maximum size of a state file; some file transfers have a size limit
_STATE = {"network", "average", "optimiser", "step", "position"}  # keys that every state has


class RunFolder:
    """The files of a run. They are written atomically.

    Raises:
        TrainingError: the folder has a run and `resume` is False, or a run with another config.
    """

    def __init__(self, path: str | Path, config: TrainConfig, resume: bool) -> None:
        self.path = Path(path)
        self.config = config
        stored = self.path / CONFIG
        if stored.exists() and not resume:
            raise TrainingError("already contains a run; use --resume to continue it", path=path)
        if stored.exists():
            _check_same_config(_read_json(stored), config, path)
        make_folder(self.path)
        for name in (BEST, LAST_VALIDATED):
            self._finish_weights(name)
        if not stored.exists():
            write_text(stored, json.dumps(config.to_dict(), indent=2) + "\n")
            write_text(self.path / ENVIRONMENT, json.dumps(describe_environment(), indent=2) + "\n")

    def add_metrics(self, values: Mapping[str, Any]) -> None:
        """Add a row to the metrics; rows of the same or a later step are replaced.

        Such rows were written by a process that was killed before it saved its state.
        """
        rows = [row for row in self.metrics() if row["step"] < values["step"]]
        lines = [json.dumps(row) + "\n" for row in (*rows, values)]
        write_text(self.path / METRICS, "".join(lines))

    def metrics(self) -> list[dict[str, Any]]:
        """All rows of the metrics.

        Raises:
            InputError: a line that is not a row of metrics.
        """
        path = self.path / METRICS
        if not path.exists():
            return []
        rows = []
        for number, line in enumerate(read_bytes(path).splitlines(), start=1):
            row = _parse(line)
            if not isinstance(row, dict) or not {"step", "f1"} <= row.keys():
                raise InputError("not a row of metrics; remove this line", path=path, line=number)
            rows.append(row)
        return rows

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Write the state for `load_state`, in parts. The previous state is deleted afterwards."""
        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        data = buffer.getvalue()
        names = []
        for number, start in enumerate(range(0, len(data), PART_BYTES), start=1):
            names.append(f"last-{state['step']}-{number}.pt")
            with write_atomically(self.path / names[-1], binary=True) as file:
                cast("IO[bytes]", file).write(data[start : start + PART_BYTES])
        write_text(self.path / STATE_INDEX, json.dumps(names) + "\n")
        for old in self.path.glob("last-*.pt"):
            if old.name not in names:
                old.unlink()

    def save_weights(
        self,
        name: str,
        model: ModelConfig,
        threshold: float,
        tensors: dict[str, Tensor],
        about: dict[str, Any],
    ) -> None:
        """Write weights for `predict --weights` into the folder `name`: BEST or LAST_VALIDATED.

        They are written into another folder, which then takes the place of the previous one. A
        process that is killed leaves the previous weights or the new ones, never files of both.
        """
        new, previous = self._other_folders(name)
        shutil.rmtree(new, ignore_errors=True)
        make_folder(new)
        config = replace(model, threshold=threshold)
        which = "Best weights by validation F1" if name == BEST else "Latest weights"
        card = f"# {text_name(self.path)}\n\n{which} of a training run.\n"
        save_checkpoint(new, text_name(self.path), config, tensors, about, card)
        if (self.path / name).exists():
            (self.path / name).rename(previous)
        new.rename(self.path / name)
        shutil.rmtree(previous, ignore_errors=True)

    def _other_folders(self, name: str) -> tuple[Path, Path]:
        """Where the new weights are written, and where the previous ones are until then."""
        return self.path / f"{name}.new", self.path / f"{name}.previous"

    def _finish_weights(self, name: str) -> None:
        """Finish what a process left that was killed while it wrote weights."""
        new, previous = self._other_folders(name)
        if previous.exists() and not (self.path / name).exists():
            new.rename(self.path / name)
        for folder in (new, previous):
            shutil.rmtree(folder, ignore_errors=True)

    def plot(self) -> bool:
        """Plot loss and F1 over time; False without matplotlib (extra `train`) or without data."""
        rows = self.metrics()
        try:
            from matplotlib.backends.backend_svg import FigureCanvasSVG
            from matplotlib.figure import Figure
        except ImportError:
            return False
        if not rows:
            return False
        figure = Figure(figsize=(8, 3.5), layout="constrained")
        FigureCanvasSVG(figure)
        left, right = figure.subplots(1, 2)
        minutes = [row["minutes"] for row in rows]
        left.plot(minutes, [row["loss"] for row in rows])
        left.set(xlabel="minutes", ylabel="loss per base")
        for name in dict.fromkeys(name for row in rows for name in row["f1"]):
            f1 = [row["f1"].get(name, math.nan) for row in rows]  # not every set in every row
            right.plot(minutes, f1, label=name)
        right.set(xlabel="minutes", ylabel="mean F1")
        right.legend()
        with write_atomically(self.path / CURVES, binary=True) as file:
            figure.savefig(file, format="svg")
        return True


def load_state(folder: str | Path) -> dict[str, Any] | None:
    """The last state of a run, or None if there is none yet.

    Raises:
        InputError: a damaged file.
    """
    path = Path(folder) / STATE_INDEX
    if not path.exists():
        return None
    names = _read_json(path)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError("not the state of a run", path=path)
    data = b"".join(read_bytes(path.parent / Path(name).name) for name in names)
    state = parse_tensors(data, path, "the state of a run")
    if not isinstance(state, dict) or not _STATE.issubset(state):
        raise InputError("not the state of a run", path=path)
    return state


def _read_json(path: Path) -> Any:
    """The value in a JSON file; None if it is damaged."""
    return _parse(path.read_bytes())


def _parse(text: bytes) -> Any:
    """The value of a JSON text; None if it is damaged."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _check_same_config(stored: Any, config: TrainConfig, path: str | Path) -> None:
    """Check that a run is resumed with its own config.

    A setting that is missing from the stored config has its default.

    Raises:
        TrainingError: the first setting that differs.
    """
    try:
        before = TrainConfig.from_dict(stored).to_dict()
    except (ConfigError, AttributeError):
        raise TrainingError("contains a run with another config", path=path) from None
    for section, keys in config.to_dict().items():
        for key, value in keys.items():
            if before[section][key] != value:
                known = before[section][key]
                hint = {
                    "minutes": "; use --stop-after to train in several parts",
                    "seed": f"; resume it with --seed {known}",
                }.get(key, "")
                message = f"contains a run with {key} {known}, not {value}{hint}"
                raise TrainingError(message, path=path)


def describe_environment() -> dict[str, str]:
    """Versions of Python and packages, operating system and device."""
    packages = ("rnaformer-cli", "torch", "numpy")
    versions = {name: _version(name) for name in packages}
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    system = f"{platform.system()} {platform.machine()}"
    return {"python": sys.version.split()[0], "system": system, "device": device, **versions}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
