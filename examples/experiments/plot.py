"""Plot the table of an experiment: F1 with 95 % intervals over records; dots are single seeds."""

import csv
from pathlib import Path
from typing import Any

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

Rows = list[dict[str, str]]


def draw(axes: Axes, places: list[float], rows: Rows, label: str, is_line: bool) -> None:
    """Draw F1 of the rows at their places on the x axis."""
    f1, low, high = ([float(row[key]) for row in rows] for key in ("f1", "f1_low", "f1_high"))
    errors = [[a - b for a, b in zip(f1, low, strict=True)]]
    errors.append([b - a for a, b in zip(f1, high, strict=True)])
    style = "o-" if is_line else "o"
    axes.errorbar(places, f1, errors, fmt=style, capsize=3, markersize=4, label=label)
    for place, row in zip(places, rows, strict=True):
        seeds = [float(value) for value in row["f1_by_seed"].split(",")]
        axes.plot([place] * len(seeds), seeds, ".", color="0.6", markersize=3, zorder=1)


def draw_categories(axes: Axes, rows: Rows) -> None:
    """One place for each entry, in the order of the table."""
    names = list(dict.fromkeys(row["entry"] for row in rows))
    draw(axes, [float(names.index(row["entry"])) for row in rows], rows, "", is_line=False)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")


def draw_curves(axes: Axes, rows: Rows, x: str) -> None:
    """A curve over `x`: of each arm over the passes, of all arms over a size."""
    curves: dict[str, Rows] = {}
    for row in rows:
        arm = row["entry"].rpartition("-c")[0]
        curves.setdefault(arm if x == "passes" else "", []).append(row)
    for arm, members in curves.items():
        members.sort(key=lambda row: float(row[x]))
        draw(axes, [float(row[x]) for row in members], members, arm, is_line=True)
    axes.set_xlabel("passes at prediction" if x == "passes" else x.replace("_", " "))
    if x == "passes":
        axes.legend()
    else:
        axes.set_xscale("log")


def main(job: Any) -> None:
    """Write the plot, one panel for each test set."""
    rcParams["svg.hashsalt"] = "rnaformer"  # the same ids in every run
    with Path(job.input[0]).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    tests = list(dict.fromkeys(row["set"] for row in rows))
    figure = Figure(figsize=(4 * len(tests), 3.6), layout="constrained")
    FigureCanvasSVG(figure)
    for axes, test in zip(figure.subplots(1, len(tests), squeeze=False)[0], tests, strict=True):
        members = [row for row in rows if row["set"] == test]
        if job.params.x:
            draw_curves(axes, members, job.params.x)
        else:
            draw_categories(axes, members)
        axes.set(title=f"{test}, {members[0]['records']} records", ylabel="mean F1")
    figure.savefig(job.output[0], format="svg", metadata={"Date": None})


main(snakemake)  # type: ignore[name-defined]  # noqa: F821 (Snakemake defines it)
