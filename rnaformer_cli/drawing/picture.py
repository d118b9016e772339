"""Pictures of a structure: helices in the plane, an arc diagram, a dot plot.

The colours are the palette of Okabe and Ito, which colour-blind readers can distinguish.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.drawing.layout import layout_plane
from rnaformer_cli.errors import DependencyError, OutputError, StructureError
from rnaformer_cli.files import write_atomically
from rnaformer_cli.structure.structure import BasePair, Structure, StructureRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ImageFormat = Literal["svg", "png", "pdf"]
DrawingFormat = Literal[ImageFormat, "rna2d"]
DRAWING_SUFFIXES: dict[str, DrawingFormat] = {
    "svg": "svg",
    "png": "png",
    "pdf": "pdf",
    "json": "rna2d",
}

LETTER_COLOURS = {"A": "#E69F00", "C": "#56B4E9", "G": "#009E73", "U": "#F0E442"}
OTHER_LETTER = "#BBBBBB"
PAIR_COLOUR, PSEUDOKNOT_COLOUR, BACKBONE_COLOUR = "#333333", "#CC79A7", "#999999"
COMMON_COLOUR, PREDICTED_COLOUR, MISSED_COLOUR = "#0072B2", "#D55E00", "#999999"
REACTIVE_COLOUR = "#D55E00"
NUMBERING_INTERVAL = 10  # bases between numbers

MAX_BASES = 30_000  # limit of ViennaRNA's layouts; a picture of this size takes half a minute
MAX_PAIRS = 30_000

_INCHES_PER_BASE = 0.24
_MAX_INCHES = 60.0  # of the longer side; larger pictures are scaled down
_MAX_ARC_HEIGHT = 20.0  # bases
_MAX_LETTERS = 1_000  # longer RNAs are drawn without letters, which would be too small


def draw_plane(
    record: StructureRecord, reactivities: Sequence[float | None] | None = None
) -> Figure:
    """Draw the structure in the plane, with letters, ends and numbers; pseudoknots are curves.

    Bases are coloured by letter, or by their reactivity: from white for 0 to orange for 1, grey
    without a value.

    Raises:
        DependencyError: ViennaRNA or matplotlib is not installed.
        StructureError: more than MAX_BASES or MAX_PAIRS.
    """
    check_size(record, record.structure)
    coordinates, crossing = layout_plane(record.structure)
    low, high = coordinates.min(0) - 2.0, coordinates.max(0) + 2.0
    figure, axes = _canvas(*(high - low) * _INCHES_PER_BASE)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    axes.plot(*coordinates.T, color=BACKBONE_COLOUR, linewidth=0.8, zorder=1, gid="backbone")
    for left, right in sorted(record.structure.pairs - set(crossing)):
        axes.plot(
            *coordinates[[left, right]].T, color=PAIR_COLOUR, linewidth=1.4, zorder=1, gid="pair"
        )
    for left, right in crossing:
        axes.add_patch(_curve(coordinates[left], coordinates[right]))
    colours = None if reactivities is None else list(map(_reactivity_colour, reactivities))
    _draw_bases(axes, coordinates, record.sequence, colours)
    middle = coordinates.mean(0)
    for number in _numbered_bases(record.structure.length):
        out = _outwards(coordinates, number - 1, middle)
        x, y = coordinates[number - 1] + 1.1 * out
        axes.text(x, y, str(number), **_LABEL_STYLE)
    for index, name in ((0, "5'"), (-1, "3'")):
        along = (
            coordinates[index] - coordinates[1 if index == 0 else -2]
            if len(coordinates) > 1
            else (0, 1)
        )
        along = np.asarray(along) / max(float(np.linalg.norm(along)), 1e-9)
        x, y = coordinates[index] + 1.3 * along
        axes.text(x, y, name, **{**_LABEL_STYLE, "weight": "bold"})
    return figure


def draw_arcs(record: StructureRecord, reference: Structure | None = None) -> Figure:
    """Draw pairs as arcs. A reference is drawn above the sequence and the prediction below it.

    Pairs in both structures are blue, only predicted pairs orange, only reference pairs grey.

    Raises:
        DependencyError: matplotlib is not installed.
        StructureError: more than MAX_BASES or MAX_PAIRS.
    """
    check_size(record, record.structure, reference)
    length = record.structure.length
    expected = frozenset() if reference is None else reference.pairs
    pairs = record.structure.pairs
    above = pairs if reference is None else expected
    below: frozenset[BasePair] = frozenset() if reference is None else pairs
    widest = max((right - left for left, right in above | below), default=1)
    height_ratio = min(1.0, 2 * _MAX_ARC_HEIGHT / widest)
    high = height_ratio * max((right - left for left, right in above), default=1) / 2 + 2.5
    low = -height_ratio * max((right - left for left, right in below), default=1) / 2 - 2.5
    figure, axes = _canvas((length + 3) * _INCHES_PER_BASE, (high - low) * _INCHES_PER_BASE)
    axes.set(xlim=(-2, length + 1), ylim=(low, high), aspect="equal")
    if reference is None:
        crossing = record.structure.crossing_pairs()
        for pair in sorted(pairs):
            _arc(axes, pair, PSEUDOKNOT_COLOUR if pair in crossing else PAIR_COLOUR, height_ratio)
    else:
        for pair in sorted(expected):
            _arc(axes, pair, COMMON_COLOUR if pair in pairs else MISSED_COLOUR, height_ratio)
        for pair in sorted(pairs):
            _arc(axes, pair, COMMON_COLOUR if pair in expected else PREDICTED_COLOUR, -height_ratio)
    coordinates = np.stack([np.arange(length), np.zeros(length)], axis=1).astype(float)
    _draw_bases(axes, coordinates, record.sequence)
    for number in _numbered_bases(length):
        axes.text(number - 1, low + 0.6, str(number), **_LABEL_STYLE)
    axes.text(-1.3, 0, "5'", **_LABEL_STYLE)
    axes.text(length + 0.3, 0, "3'", **_LABEL_STYLE)
    return figure


def draw_dots(
    record: StructureRecord, scores: NDArray[np.float32], reference: Structure | None = None
) -> Figure:
    """Draw the score matrix above the diagonal, and the reference or the structure below it.

    Raises:
        DependencyError: matplotlib is not installed.
    """
    length = record.structure.length
    side = min(max(3.0, length * 0.045), 20.0)
    figure, axes = _canvas(side + 1.0, side + 1.0)
    axes.set_axis_on()
    axes.set(xlim=(0.5, length + 0.5), ylim=(length + 0.5, 0.5), aspect="equal")
    axes.imshow(
        np.triu(scores),
        cmap="Blues",
        vmin=0.0,
        vmax=1.0,
        extent=(0.5, length + 0.5, length + 0.5, 0.5),
        interpolation="nearest",
    )
    compared = record.structure if reference is None else reference
    if compared.pairs:
        left, right = np.array(sorted(compared.pairs)).T + 1
        size = (side * 72 / length) ** 2
        axes.scatter(
            left, right, s=max(size, 1.0), marker="s", color=PREDICTED_COLOUR, linewidths=0
        )
    axes.plot([0.5, length + 0.5], [0.5, length + 0.5], color=BACKBONE_COLOUR, linewidth=0.6)
    below = "structure" if reference is None else "reference"
    axes.set(xlabel=f"base (above: scores, below: {below})", ylabel="base")
    return figure


def save_figure(
    figure: Figure, target: str | Path | IO[bytes], image: ImageFormat, follow: bool = True
) -> None:
    """Write a picture with reproducible bytes; `follow` as in files.write_atomically.

    Raises:
        OutputError: the file cannot be written.
    """
    matplotlib = importlib.import_module("matplotlib")
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[image]
    with matplotlib.rc_context({"svg.hashsalt": "rnaformer", "svg.fonttype": "none"}):
        options: dict[str, Any] = {"format": image, "metadata": metadata, "dpi": 150}
        if isinstance(target, (str, Path)):
            with write_atomically(target, binary=True, follow=follow) as file:
                figure.savefig(cast("IO[bytes]", file), **options)
        else:
            figure.savefig(target, **options)


def check_size(record: StructureRecord, *structures: Structure | None) -> None:
    """Reject a record that is too large for a picture.

    Raises:
        StructureError: more than MAX_BASES or MAX_PAIRS.
    """
    pairs = max(len(structure.pairs) for structure in structures if structure is not None)
    for count, limit, noun in (
        (record.structure.length, MAX_BASES, "bases"),
        (pairs, MAX_PAIRS, "pairs"),
    ):
        if count > limit:
            message = f"{count:,} {noun}; a picture shows at most {limit:,}"
            raise StructureError(message, record=record.id)


def drawing_format(path: str | Path) -> DrawingFormat:
    """The format that the suffix of a file name selects; `.json` is RNA 2D JSON.

    Raises:
        OutputError: another suffix.
    """
    suffix = Path(path).suffix.lower().removeprefix(".")
    chosen = DRAWING_SUFFIXES.get(suffix)
    if chosen is None:
        raise OutputError("expected a name that ends in .svg, .png, .pdf or .json", path=path)
    return chosen


_LABEL_STYLE: dict[str, Any] = {
    "fontsize": 6,
    "ha": "center",
    "va": "center",
    "color": "#555555",
    "zorder": 4,
}


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure of this size in inches, without a frame."""
    try:
        figures = importlib.import_module("matplotlib.figure")
    except ImportError:
        message = "pictures need matplotlib: pip install '.[draw]' in a checkout"
        raise DependencyError(message) from None
    shrink = min(1.0, _MAX_INCHES / max(width, height))
    size = (max(width * shrink, 1.0), max(height * shrink, 1.0))
    figure: Figure = figures.Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    return figure, axes


def _reactivity_colour(value: float | None) -> str:
    """A mixture of white and REACTIVE_COLOUR, which gets darker with the value; grey for None."""
    if value is None:
        return OTHER_LETTER
    reactive = [int(REACTIVE_COLOUR[place : place + 2], 16) for place in (1, 3, 5)]
    return "#" + "".join(f"{round(255 + value * (part - 255)):02X}" for part in reactive)


def _draw_bases(
    axes: Axes,
    coordinates: NDArray[np.float64],
    sequence: str,
    colours: Sequence[str] | None = None,
) -> None:
    """Draw the bases, in the colours of their letters unless others are given."""
    if colours is None:
        colours = [LETTER_COLOURS.get(letter, OTHER_LETTER) for letter in sequence]
    across, up = coordinates[:, 0], coordinates[:, 1]
    edge: dict[str, Any] = {"edgecolors": PAIR_COLOUR, "linewidths": 0.4}
    axes.scatter(across, up, s=95, c=colours, zorder=2, gid="bases", **edge)
    if len(sequence) <= _MAX_LETTERS:
        for x, y, letter in zip(across, up, sequence, strict=True):
            style: dict[str, Any] = {
                "fontsize": 6.5,
                "ha": "center",
                "va": "center_baseline",
                "zorder": 3,
            }
            axes.text(float(x), float(y), letter, **style)


def _numbered_bases(length: int) -> Iterable[int]:
    """The 1-based bases that are numbered."""
    return range(NUMBERING_INTERVAL, length + 1, NUMBERING_INTERVAL)


def _outwards(
    coordinates: NDArray[np.float64], index: int, middle: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The unit vector across the backbone at a base, to the side with more space."""
    before, after = (
        coordinates[max(index - 1, 0)],
        coordinates[min(index + 1, len(coordinates) - 1)],
    )
    along = after - before
    across = np.array([-along[1], along[0]])
    size = float(np.linalg.norm(across))
    if size == 0:
        return np.array([0.0, 1.0])
    across = across / size
    nearest = [
        float(
            np.min(
                np.linalg.norm(
                    np.delete(coordinates, index, axis=0) - (coordinates[index] + side), axis=1
                )
            )
        )
        if len(coordinates) > 1
        else 0.0
        for side in (across, -across)
    ]
    if abs(nearest[0] - nearest[1]) < 0.1:
        return across if float(across @ (coordinates[index] - middle)) >= 0 else -across
    return across if nearest[0] > nearest[1] else -across


def _curve(start: NDArray[np.float64], end: NDArray[np.float64]) -> Any:
    patches = importlib.import_module("matplotlib.patches")
    return patches.FancyArrowPatch(
        tuple(start),
        tuple(end),
        arrowstyle="-",
        connectionstyle="arc3,rad=0.25",
        color=PSEUDOKNOT_COLOUR,
        linewidth=1.2,
        zorder=1,
        gid="knot",
    )


def _arc(axes: Axes, pair: BasePair, colour: str, height_ratio: float) -> None:
    """Draw half an ellipse, `height_ratio` times as high as a semicircle; below if negative."""
    patches = importlib.import_module("matplotlib.patches")
    middle, width = (pair[0] + pair[1]) / 2, pair[1] - pair[0]
    start, end = (0, 180) if height_ratio > 0 else (180, 360)
    foot = (middle, 0.7 if height_ratio > 0 else -0.7)
    style = {"theta1": start, "theta2": end, "color": colour, "linewidth": 1.2, "gid": "arc"}
    axes.add_patch(patches.Arc(foot, width, abs(height_ratio) * width, **style))
