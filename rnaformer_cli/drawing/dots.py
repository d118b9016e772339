"""Draws base-pair probabilities as a dot plot."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.drawing.canvas import check_size, colour_map, new_canvas
from rnaformer_cli.drawing.style import BACKBONE_COLOUR, PREDICTED_COLOUR, BaseValues, Style
from rnaformer_cli.structure.structure import Structure, StructureRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOWEST = 0.001  # probability of a square
TICKS = ((-3.0, "0.001"), (-2.0, "0.01"), (-1.0, "0.1"), (0.0, "1"))  # log10, and the text
COLOURS = "viridis_r"
MAX_SQUARES = 20_000  # more are an image in SVG and PDF files
_INCHES_PER_BASE = 0.045
_SIDE = (2.5, 12.0)  # inches, shortest and longest


def draw_dots(
    record: StructureRecord,
    scores: NDArray[np.float32],
    reference: Structure | None = None,
    style: Style | None = None,
) -> Figure:
    """Draw the score matrix above the diagonal, and the reference or the structure below it.

    The side of a square is the square root of its probability, as in the dot plots of RNAfold.
    The colours have a logarithmic scale.

    Raises:
        DependencyError: matplotlib is not installed.
        StructureError: more than MAX_BASES or MAX_PAIRS.
    """
    style = style or Style()
    check_size(record, record.structure, reference)
    length = record.structure.length
    side = min(max(_SIDE[0], length * _INCHES_PER_BASE), _SIDE[1])
    bar = BaseValues("probability", np.zeros(0), TICKS[0][0], TICKS[-1][0], COLOURS, ticks=TICKS)
    margin = 0.45 * length / side  # of the numbers, in bases
    full = length + 2 * margin
    canvas = new_canvas(full, full, side / length, style.title, (), bar)
    axes = canvas.axes
    axes.set(xlim=(0.5 - margin, length + 0.5 + margin))
    axes.set(ylim=(length + 0.5 + margin, 0.5 - margin))
    _draw_frame(axes, length, style, margin)
    upper = np.triu(scores, 1)
    left, right = np.nonzero(upper >= LOWEST)
    probabilities = np.clip(upper[left, right].astype(float), LOWEST, 1.0)
    order = np.argsort(probabilities, kind="stable")
    levels = 1 - np.log10(probabilities[order]) / np.log10(LOWEST)
    squares = _squares(
        right[order].astype(float) + 1, left[order].astype(float) + 1, np.sqrt(probabilities[order])
    )
    _draw_squares(axes, squares, colour_map(COLOURS)(levels), "probabilities")
    compared = record.structure if reference is None else reference
    if compared.pairs:
        left, right = np.array(sorted(compared.pairs)).T
        squares = _squares(left.astype(float) + 1, right.astype(float) + 1, np.ones(len(left)))
        _draw_squares(axes, squares, PREDICTED_COLOUR, "structure")
    below = "structure" if reference is None else "reference"
    size = 7
    middle = (length + 1) / 2
    axes.text(
        middle, 0.5 - 0.75 * margin, "probabilities", ha="center", fontsize=size, gid="title-1"
    )
    axes.text(
        middle,
        length + 0.5 + 0.85 * margin,
        below,
        ha="center",
        fontsize=size,
        color=PREDICTED_COLOUR,
        gid="title-2",
    )
    return canvas.figure


def _draw_frame(axes: Axes, length: int, style: Style, margin: float) -> None:
    """The frame, the diagonal, and the numbers with their tick lines at the left and the top."""
    first, last = 0.5, length + 0.5
    corners = np.array([(first, first), (last, first), (last, last), (first, last), (first, first)])
    line: dict[str, Any] = {"color": BACKBONE_COLOUR, "linewidth": 0.6, "clip_on": False}
    axes.plot(*corners.T, gid="frame", **line)
    axes.plot([first, last], [first, last], gid="diagonal", **line)
    numbers = style.numbered(length)
    every = max(1, int(np.ceil(0.6 * margin / numbers.step)))
    for number in numbers[every - 1 :: every]:
        for across in (True, False):
            tick = np.array([(number, first), (number, first - 0.12 * margin)])
            above = first - 0.2 * margin
            x, y = (float(number), above) if across else (above, float(number))
            turned = tick if across else tick[:, ::-1]
            axes.plot(*turned.T, gid=f"tick-{number}", **line)
            axes.text(
                x,
                y,
                str(number),
                ha="center" if across else "right",
                va="bottom" if across else "center",
                fontsize=5.5,
                color="#555555",
                gid=f"number-{number}",
            )


def _squares(
    across: NDArray[np.float64], down: NDArray[np.float64], sides: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The corners (n, 4, 2) of squares with these middles and sides."""
    corners = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
    middles = np.stack([across, down], 1)
    squares: NDArray[np.float64] = middles[:, None] + sides[:, None, None] * corners
    return squares


def _draw_squares(axes: Axes, squares: NDArray[np.float64], colours: object, gid: str) -> None:
    collections = importlib.import_module("matplotlib.collections")
    drawn = collections.PolyCollection(squares, facecolors=colours, linewidths=0, gid=gid)
    drawn.set_rasterized(len(squares) > MAX_SQUARES)
    drawn.set_clip_on(False)
    axes.add_collection(drawn, autolim=False)
