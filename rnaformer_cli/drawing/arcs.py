"""Draws pairs as arcs over the sequence."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from rnaformer_cli.drawing.canvas import Canvas, check_size, new_canvas
from rnaformer_cli.drawing.plane import draw_bases
from rnaformer_cli.drawing.style import (
    COMMON_COLOUR,
    COMPARISON,
    CROSSINGS,
    MISSED_COLOUR,
    PAIR_COLOUR,
    PREDICTED_COLOUR,
    PSEUDOKNOT_COLOUR,
    BaseValues,
    Style,
)
from rnaformer_cli.structure.structure import BasePair, Structure, StructureRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_WIDTH = 20.0  # inches; longer RNAs are drawn narrower, in the end without letters
_INCHES_PER_BASE = 0.1
_MAX_HEIGHT = 24.0  # of the widest arc, in bases, of an RNA of 100 bases; in proportion of others
_GAP = 0.9  # between the bases and their arcs, in bases
_FEWEST_POINTS = 5.0  # of a number


def draw_arcs(
    record: StructureRecord,
    reference: Structure | None = None,
    style: Style | None = None,
    values: BaseValues | None = None,
) -> Figure:
    """Draw pairs as arcs. A reference is drawn above the sequence and the prediction below it.

    Pairs in both structures are blue, only predicted pairs orange, only reference pairs grey.

    Raises:
        DependencyError: matplotlib is not installed.
        StructureError: more than MAX_BASES or MAX_PAIRS.
    """
    style = style or Style()
    check_size(record, record.structure, reference)
    length = record.structure.length
    pairs = record.structure.pairs
    above = pairs if reference is None else reference.pairs
    below: frozenset[BasePair] = frozenset() if reference is None else pairs
    scale = min(_INCHES_PER_BASE, MAX_WIDTH / length)
    text = max(_FEWEST_POINTS / 72 / scale, 0.8)  # height of a number, in bases
    widest = max((right - left for left, right in above | below), default=1)
    ratio = min(1.0, 2 * _MAX_HEIGHT * max(1.0, length / 100) / widest)
    high = ratio * max((right - left for left, right in above), default=0) / 2 + _GAP + 0.5 * text
    low = -ratio * max((right - left for left, right in below), default=0) / 2 - _GAP - 0.5 * text
    if reference is None:
        low -= text
    legend = COMPARISON if reference is not None else _knots(record.structure)
    canvas = new_canvas(length + 3 * text, high - low, scale, style.title, legend, values)
    canvas.axes.set(xlim=(-1.5 * text, length + 1.5 * text), ylim=(low, high))
    crossing = record.structure.crossing_pairs() if reference is None else frozenset()
    for pair in sorted(above):
        colour = PSEUDOKNOT_COLOUR if pair in crossing else PAIR_COLOUR
        if reference is not None:
            colour = COMMON_COLOUR if pair in pairs else MISSED_COLOUR
        _draw_arc(canvas, pair, colour, ratio)
    for pair in sorted(below):
        colour = COMMON_COLOUR if pair in above else PREDICTED_COLOUR
        _draw_arc(canvas, pair, colour, -ratio)
    coordinates = np.stack([np.arange(length), np.zeros(length)], axis=1).astype(float)
    draw_bases(canvas, coordinates, record.sequence, style, values, diameter=0.95)
    _draw_numbers(canvas, style, length, text, reference is not None)
    return canvas.figure


def _knots(structure: Structure) -> Any:
    return CROSSINGS if structure.crossing_pairs() else ()


def _draw_numbers(
    canvas: Canvas, style: Style, length: int, text: float, has_arcs_below: bool
) -> None:
    """Numbers at the sequence, below it or between it and its arcs; fewer if they overlap."""
    numbers = style.numbered(length)
    needed = 0.8 * text * (len(str(length)) + 1)
    every = max(1, int(np.ceil(needed / numbers.step)))
    size = text * canvas.points_per_base * 0.9
    options: dict[str, Any] = {"fontsize": size, "va": "center", "color": "#555555", "zorder": 4}
    box = {"facecolor": "#FFFFFF", "edgecolor": "none", "pad": 0.4, "alpha": 0.85}
    for number in numbers[every - 1 :: every]:
        canvas.axes.plot(
            [number - 1, number - 1],
            [-0.5, -_GAP],
            color="#777777",
            linewidth=0.5,
            gid=f"tick-{number}",
            clip_on=False,
        )
        canvas.axes.text(
            number - 1,
            -_GAP - 0.5 * text,
            str(number),
            ha="center",
            gid=f"number-{number}",
            bbox=box if has_arcs_below else None,
            **options,
        )
    canvas.axes.text(-0.8, 0, "5'", ha="right", gid="end-1", **options)
    canvas.axes.text(length - 0.2, 0, "3'", ha="left", gid=f"end-{length}", **options)


def _draw_arc(canvas: Canvas, pair: BasePair, colour: str, ratio: float) -> None:
    """Draw half an ellipse, `ratio` times as high as a semicircle; below if negative."""
    patches = importlib.import_module("matplotlib.patches")
    middle, width = (pair[0] + pair[1]) / 2, pair[1] - pair[0]
    start, end = (0, 180) if ratio > 0 else (180, 360)
    foot = (middle, 0.55 if ratio > 0 else -0.55)
    name = "arc" if ratio > 0 else "under"
    style = {
        "theta1": start,
        "theta2": end,
        "color": colour,
        "linewidth": min(1.0, 0.2 * canvas.points_per_base),
        "gid": f"{name}-{pair[0] + 1}-{pair[1] + 1}",
        "clip_on": False,
    }
    canvas.axes.add_patch(patches.Arc(foot, width, abs(ratio) * width, **style))
