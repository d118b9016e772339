"""Collect the scores of an experiment into a table with intervals over records."""

import gzip
import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from rnaformer_cli.scoring.summary import bootstrap_interval

COLUMNS = (
    *("entry", "passes", "set", "records", "seeds", "parameters", "training_records"),
    *("minutes", "steps", "records_seen", "f1", "f1_low", "f1_high", "f1_by_seed"),
    *("difference", "difference_low", "difference_high"),
)


def parameters(weights: Path) -> int:
    """The number of parameters of trained weights."""
    with safe_open(weights / "model.safetensors", framework="numpy") as tensors:
        return sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118 (no dict)


def mean_with_interval(values: np.ndarray) -> list[str]:
    """Mean and 95 % interval over records of (seeds, records), after the mean over seeds."""
    by_record = values.mean(axis=0)
    return [f"{value:.4f}" for value in (by_record.mean(), *bootstrap_interval(list(by_record)))]


def f1_of_records(scored: list[dict[str, Any]]) -> np.ndarray:
    """The F1 of each record (seeds, records)."""
    return np.array([[record["f1"] for record in one["per_record"]] for one in scored])


def row(entry: str, test: str, scored: list[dict[str, Any]], runs: list[Path], size: int) -> list:
    """One row of the table."""
    last = [json.loads((run / "metrics.jsonl").read_text().splitlines()[-1]) for run in runs]
    f1 = f1_of_records(scored)
    other = f1_of_records([one["other"] for one in scored])
    minutes, steps, seen = (
        sum(end[key] for end in last) / len(last) for key in ("minutes", "step", "records")
    )
    return [
        *(entry, entry.split("+")[0].rpartition("-c")[2], test, f1.shape[1], len(scored)),
        *(parameters(runs[0] / "latest"), size, f"{minutes:.2f}", f"{steps:.0f}", f"{seen:.0f}"),
        *mean_with_interval(f1),
        ",".join(f"{mean:.4f}" for mean in f1.mean(axis=1)),
        *mean_with_interval(f1 - other),
    ]


def main(job: Any) -> None:
    """Write the table."""
    files: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for path in map(Path, job.input):  # ENTRY/vs-BASELINE/sSEED/TEST.json
        files[path.parents[2].name, path.stem].append(path)
    sizes = {}
    for arm, path in job.params.training_sets.items():
        with gzip.open(path) as lines:
            sizes[arm] = sum(1 for _ in lines)
    rows = []
    for (entry, test), paths in files.items():
        arm = entry.split("+")[0].rpartition("-c")[0]
        runs = [Path(job.params.runs) / f"{arm}-{path.parent.name}" for path in paths]
        scored = [json.loads(path.read_text()) for path in paths]
        rows.append(row(entry, test, scored, runs, sizes[arm]))
    lines = ["\t".join(map(str, cells)) for cells in (COLUMNS, *rows)]
    Path(job.output.table).write_text("\n".join(lines) + "\n")


main(snakemake)  # type: ignore[name-defined]  # noqa: F821 (Snakemake defines it)
