"""Draws a structure in the plane: helices as ladders, loops as circles."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnaformer_cli.drawing.canvas import Canvas, check_size, colour_map, new_canvas
from rnaformer_cli.drawing.labels import place_labels
from rnaformer_cli.drawing.layout import Coordinates, layout_plane
from rnaformer_cli.drawing.routes import route_pairs
from rnaformer_cli.drawing.style import (
    BACKBONE_COLOUR,
    COMMON_COLOUR,
    COMPARISON,
    KNOTS,
    LETTER_COLOURS,
    MISSED_COLOUR,
    NO_VALUE,
    OTHER_LETTER,
    PAIR_COLOUR,
    PREDICTED_COLOUR,
    PSEUDOKNOT_COLOUR,
    BaseValues,
    Style,
)
from rnaformer_cli.structure.structure import BasePair, Structure, StructureRecord, is_canonical

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INCHES_PER_BASE = 0.17
WOBBLE = frozenset("GU")
_MARGIN = 2.6  # bases around the layout, for numbers
_DARK = 0.45  # luminance below which a letter is white


def draw_plane(
    record: StructureRecord,
    reference: Structure | None = None,
    style: Style | None = None,
    values: BaseValues | None = None,
) -> Figure:
    """Draw the structure in the plane, with letters, ends and numbers; pseudoknots are curves.

    Bases are coloured by letter, or by their values. With a reference, pairs in both structures are
    blue, only predicted pairs orange, and pairs only in the reference are grey curves.

    Raises:
        DependencyError: ViennaRNA or matplotlib is not installed.
        StructureError: more than MAX_BASES or MAX_PAIRS.
    """
    style = style or Style()
    check_size(record, record.structure, reference)
    structure = record.structure
    coordinates, crossing = layout_plane(structure)
    nested = sorted(structure.pairs - set(crossing))
    missed = [] if reference is None else sorted(reference.pairs - structure.pairs)
    curves = route_pairs(coordinates, [*crossing, *missed], nested)
    ends = np.concatenate([coordinates, *curves])
    low, high = ends.min(0) - _MARGIN, ends.max(0) + _MARGIN
    legend = COMPARISON if reference is not None else KNOTS if crossing else ()
    width, height = (high - low).tolist()
    canvas = new_canvas(width, height, INCHES_PER_BASE, style.title, legend, values)
    canvas.axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    line = 0.07 * canvas.points_per_base
    canvas.axes.plot(
        *coordinates.T,
        color=BACKBONE_COLOUR,
        linewidth=line,
        zorder=1,
        gid="backbone",
        clip_on=False,
    )

    def colour(pair: BasePair, alone: str) -> str:
        if reference is None:
            return alone
        return COMMON_COLOUR if pair in reference.pairs else PREDICTED_COLOUR

    for pair in nested:
        _draw_pair(canvas, coordinates, record.sequence, pair, colour(pair, PAIR_COLOUR))
    for pair, curve in zip(crossing, curves, strict=False):
        _draw_curve(canvas, curve, colour(pair, PSEUDOKNOT_COLOUR), f"knot-{_name(pair)}")
    for pair, curve in zip(missed, curves[len(crossing) :], strict=True):
        _draw_curve(canvas, curve, MISSED_COLOUR, f"missed-{_name(pair)}")
    draw_bases(canvas, coordinates, record.sequence, style, values)
    obstacles = np.concatenate([coordinates, *curves, *_middles(coordinates, nested)])
    _draw_labels(canvas, coordinates, obstacles, style.numbered(structure.length), structure)
    return canvas.figure


def draw_bases(
    canvas: Canvas,
    coordinates: Coordinates,
    sequence: str,
    style: Style,
    values: BaseValues | None = None,
    diameter: float = 0.8,
) -> None:
    """Draw the bases as circles of this diameter in bases, with their letters."""
    colours = _base_colours(sequence, style, values)
    points = canvas.points_per_base
    canvas.axes.scatter(
        coordinates[:, 0],
        coordinates[:, 1],
        s=(diameter * points) ** 2,
        c=colours,
        zorder=2,
        gid="bases",
        edgecolors=PAIR_COLOUR,
        linewidths=0.03 * points,
        clip_on=False,
    )
    if not (style.has_letters and canvas.fits_letters(len(sequence))):
        return
    for index, (place, letter) in enumerate(zip(coordinates, sequence, strict=True)):
        canvas.axes.text(
            float(place[0]),
            float(place[1]),
            letter,
            fontsize=diameter * 0.7 * points,
            ha="center",
            va="center_baseline",
            color="#FFFFFF" if _luminance(colours[index]) < _DARK else "#000000",
            zorder=3,
            gid=f"letter-{index + 1}",
        )


def _base_colours(sequence: str, style: Style, values: BaseValues | None) -> list[Any]:
    if values is None:
        if not style.colours_letters:
            return [_rgb(NO_VALUE)] * len(sequence)
        return [_rgb(LETTER_COLOURS.get(letter, OTHER_LETTER)) for letter in sequence]
    colours = colour_map(values.colour_map)
    span = values.high - values.low
    return [
        _rgb(values.missing) if np.isnan(value) else colours(float((value - values.low) / span))[:3]
        for value in values.values
    ]


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def _luminance(rgb: tuple[float, float, float]) -> float:
    return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]


def _name(pair: BasePair) -> str:
    return f"{pair[0] + 1}-{pair[1] + 1}"


def _draw_pair(
    canvas: Canvas, coordinates: Coordinates, sequence: str, pair: BasePair, colour: str
) -> None:
    """A line; a dot for G-U; a circle for another pair that is not canonical."""
    points = canvas.points_per_base
    gid = f"pair-{_name(pair)}"
    if is_canonical(sequence, pair) and {sequence[pair[0]], sequence[pair[1]]} != WOBBLE:
        canvas.axes.plot(
            *coordinates[list(pair)].T,
            color=colour,
            linewidth=0.13 * points,
            zorder=1,
            gid=gid,
            clip_on=False,
        )
        return
    fill = colour if is_canonical(sequence, pair) else NO_VALUE
    canvas.axes.plot(
        *coordinates[list(pair)].mean(0)[:, None],
        marker="o",
        markersize=0.32 * points,
        markerfacecolor=fill,
        markeredgecolor=colour,
        markeredgewidth=0.08 * points,
        linestyle="none",
        zorder=1,
        gid=gid,
        clip_on=False,
    )


def _draw_curve(canvas: Canvas, curve: Coordinates, colour: str, gid: str) -> None:
    """A smooth curve along the points, from the first to the last."""
    paths = importlib.import_module("matplotlib.path")
    patches = importlib.import_module("matplotlib.patches")
    middles = (curve[1:-2] + curve[2:-1]) / 2
    points, codes = [curve[0]], [paths.Path.MOVETO]
    for control, end in zip(curve[1:-1], [*middles, curve[-1]], strict=True):
        points += [control, end]
        codes += [paths.Path.CURVE3, paths.Path.CURVE3]
    if len(curve) == 2:
        points, codes = [*curve], [paths.Path.MOVETO, paths.Path.LINETO]
    width = 0.1 * canvas.points_per_base
    path = paths.Path(points, codes)
    canvas.axes.add_patch(
        patches.PathPatch(
            path,
            facecolor="none",
            edgecolor=colour,
            linewidth=width,
            zorder=1.5,
            gid=gid,
            clip_on=False,
        )
    )


def _middles(coordinates: Coordinates, pairs: Sequence[BasePair]) -> list[Coordinates]:
    return [coordinates[list(pair)].mean(0)[None] for pair in pairs]


def _draw_labels(
    canvas: Canvas,
    coordinates: Coordinates,
    obstacles: Coordinates,
    numbers: Iterable[int],
    structure: Structure,
) -> None:
    """Numbers with tick lines, and the ends of the chain."""
    numbered = {number - 1: str(number) for number in numbers}
    last = structure.length - 1
    ends = {0: "5'", last: "3'"} if last else {0: "5'"}
    size = 0.5 * canvas.points_per_base
    style: dict[str, Any] = {"ha": "center", "va": "center", "zorder": 4, "fontsize": size}
    labels, taken = place_labels(coordinates, obstacles, ends)
    for base, label in labels.items():
        x, y = label.text.tolist()
        canvas.axes.text(x, y, ends[base], weight="bold", gid=f"end-{base + 1}", **style)
    labels, _ = place_labels(coordinates, taken, numbered)
    for base, label in labels.items():
        canvas.axes.plot(
            *np.array([label.start, label.end]).T,
            color="#777777",
            linewidth=0.05 * canvas.points_per_base,
            zorder=1.8,
            gid=f"tick-{base + 1}",
            clip_on=False,
        )
        style["color"] = "#555555"
        x, y = label.text.tolist()
        canvas.axes.text(x, y, numbered[base], gid=f"number-{base + 1}", **style)
