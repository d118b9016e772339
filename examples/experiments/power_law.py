"""Fit 1 - F1 = a · x^-b to the runs of an experiment, with bootstrap intervals of b."""

import csv
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

RESAMPLES = 2000


def exponents(x: np.ndarray, errors: np.ndarray) -> float:
    """The exponent b by least squares on logarithms; x (runs,), errors (runs,)."""
    slope, _ = np.polyfit(np.log(x), np.log(np.maximum(errors, 1e-6)), 1)
    return float(-slope)


def fit(x: np.ndarray, f1: np.ndarray) -> tuple[float, float, float]:
    """The exponent and its 95 % interval: runs and records are resampled; f1 (runs, records)."""
    random = np.random.default_rng(0)
    found = []
    while len(found) < RESAMPLES:
        runs = random.integers(0, len(x), len(x))
        if len(set(x[runs])) > 1:
            records = random.integers(0, f1.shape[1], f1.shape[1])
            found.append(exponents(x[runs], 1 - f1[runs][:, records].mean(axis=1)))
    low, high = np.quantile(found, [0.025, 0.975])
    return exponents(x, 1 - f1.mean(axis=1)), float(low), float(high)


def main(job: Any) -> None:
    """Write one row for each test set."""
    with Path(job.input.table).open(encoding="utf-8") as file:
        x = {row["entry"]: float(row[job.params.x]) for row in csv.DictReader(file, delimiter="\t")}
    runs: dict[str, list[tuple[float, list[float]]]] = defaultdict(list)
    for path in map(Path, job.input.scores):  # ENTRY/vs-BASELINE/sSEED/TEST.json
        scored = json.loads(path.read_text())["per_record"]
        runs[path.stem].append((x[path.parents[2].name], [record["f1"] for record in scored]))
    lines = ["set\tx\truns\texponent\tlow\thigh"]
    for test, values in runs.items():
        found = fit(np.array([size for size, _ in values]), np.array([f1 for _, f1 in values]))
        figures = "\t".join(f"{value:.4f}" for value in found)
        lines.append(f"{test}\t{job.params.x}\t{len(values)}\t{figures}")
    Path(job.output[0]).write_text("\n".join(lines) + "\n")


main(snakemake)  # type: ignore[name-defined]  # noqa: F821 (Snakemake defines it)
