"""Histograms and scatter plots of a report; coordinates are percentages of width and height."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnaformer_cli.drawing.style import COMMON_COLOUR
from rnaformer_cli.reporting.entries import ReportEntry

BINS = 20
MIN_RECORDS = 2  # fewest records of a page with charts
COLOUR = COMMON_COLOUR


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a histogram."""

    x: float
    width: float
    height: float
    text: str


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a scatter plot."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A histogram, or a scatter plot of values from 0 to 1."""

    title: str
    low: str
    high: str
    bars: Sequence[Bar] = ()
    points: Sequence[Point] = ()


def make_charts(entries: Sequence[ReportEntry]) -> list[Chart]:
    """Histograms of length, confidence and F1; F1 against confidence. Empty below MIN_RECORDS."""
    if len(entries) < MIN_RECORDS:
        return []
    lengths = [entry.record.structure.length for entry in entries]
    low, high = min(lengths), max(lengths)
    confidences = [entry.prediction.confidence for entry in entries]
    charts = [
        _histogram("Length", lengths, low, max(high, low + BINS), 0),
        _histogram("Confidence", confidences, 0.0, 1.0, 2),
    ]
    scored = [(entry, entry.counts.f1) for entry in entries if entry.counts is not None]
    if scored:
        charts.append(_histogram("F1", [f1 for _, f1 in scored], 0.0, 1.0, 2))
        points = [
            Point(
                100 * entry.prediction.confidence,
                100 * (1 - f1),
                f"{entry.record.id}: confidence {entry.prediction.confidence:.2f}, F1 {f1:.2f}",
            )
            for entry, f1 in scored
        ]
        charts.append(Chart("F1 (vertical) against confidence", "0", "1", points=points))
    return charts


def _histogram(
    title: str, values: Sequence[float], low: float, high: float, decimals: int
) -> Chart:
    counts, edges = np.histogram(np.array(values, dtype=float), bins=BINS, range=(low, high))
    width = 100 / BINS
    bars = [
        Bar(
            index * width,
            0.9 * width,
            100 * count / max(int(counts.max()), 1),
            f"{edges[index]:.{decimals}f} to {edges[index + 1]:.{decimals}f}: {count}",
        )
        for index, count in enumerate(counts.tolist())
        if count
    ]
    return Chart(
        title, f"{low:,}" if decimals == 0 else "0", f"{high:,}" if decimals == 0 else "1", bars
    )
