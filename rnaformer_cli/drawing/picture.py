"""Pictures that people know: the structure in the plane, arcs above a line, a dot plot.

Colours are those of Okabe and Ito, which people with any colour vision can tell apart.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.drawing.layout import plane
from rnaformer_cli.errors import DependencyError, OutputError, StructureError
from rnaformer_cli.files import write_atomically
from rnaformer_cli.structure.structure import BasePair, Structure, StructureRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ImageFormat = Literal["svg", "png", "pdf"]
IMAGE_FORMATS: tuple[ImageFormat, ...] = get_args(ImageFormat)

LETTER_COLOURS = {"A": "#E69F00", "C": "#56B4E9", "G": "#009E73", "U": "#F0E442"}
OTHER_LETTER = "#BBBBBB"
PAIR, KNOT, BACKBONE = "#333333", "#CC79A7", "#999999"
BOTH, PREDICTED, MISSED = "#0072B2", "#D55E00", "#999999"  # agreeing, only predicted, only known
NUMBERING_INTERVAL = 10  # bases between numbers

MAX_BASES = 30_000  # of a picture, as many as ViennaRNA lays out; it takes half a minute
MAX_PAIRS = 30_000

_INCHES_PER_BASE = 0.24  # inches from base to base
_LARGEST = 60.0  # inches of a side; larger pictures are made smaller
_MAX_ARC_HEIGHT = 20.0  # bases
_MAX_LETTERS = 1_000  # bases beyond which letters are too small to be worth their bytes


def draw_plane(record: StructureRecord) -> Figure:
    """The structure in the plane, with letters, ends and numbers; pseudoknots as curves on top.

    Raises:
        DependencyError: ViennaRNA or matplotlib is not installed.
        StructureError: more than MAX_BASES or MAX_PAIRS.
    """
    _check_size(record, record.structure)
    places, crossing = plane(record.structure)
    low, high = places.min(0) - 2.0, places.max(0) + 2.0
    figure, axes = _canvas(*(high - low) * _INCHES_PER_BASE)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    axes.plot(*places.T, color=BACKBONE, linewidth=0.8, zorder=1, gid="backbone")
    for left, right in sorted(record.structure.pairs - set(crossing)):
        axes.plot(*places[[left, right]].T, color=PAIR, linewidth=1.4, zorder=1, gid="pair")
    for left, right in crossing:
        axes.add_patch(_curve(places[left], places[right]))
    _letters(axes, places, record.sequence)
    middle = places.mean(0)
    for number in _numbered_bases(record.structure.length):
        out = _outwards(places, number - 1, middle)
        x, y = places[number - 1] + 1.1 * out
        axes.text(x, y, str(number), **_SMALL)
    for index, name in ((0, "5'"), (-1, "3'")):
        along = places[index] - places[1 if index == 0 else -2] if len(places) > 1 else (0, 1)
        along = np.asarray(along) / max(float(np.linalg.norm(along)), 1e-9)
        x, y = places[index] + 1.3 * along
        axes.text(x, y, name, **{**_SMALL, "weight": "bold"})
    return figure


def draw_arcs(record: StructureRecord, reference: Structure | None = None) -> Figure:
    """Pairs as arcs over the sequence; a reference above, the prediction then below.

    Pairs of both are blue, only predicted ones orange, only known ones grey.

    Raises:
        DependencyError: matplotlib is not installed.
        StructureError: more than MAX_BASES or MAX_PAIRS.
    """
    _check_size(record, record.structure, reference)
    length = record.structure.length
    known = frozenset() if reference is None else reference.pairs
    pairs = record.structure.pairs
    above = pairs if reference is None else known
    below: frozenset[BasePair] = frozenset() if reference is None else pairs
    widest = max((right - left for left, right in above | below), default=1)
    flat = min(1.0, 2 * _MAX_ARC_HEIGHT / widest)
    high = flat * max((right - left for left, right in above), default=1) / 2 + 2.5
    low = -flat * max((right - left for left, right in below), default=1) / 2 - 2.5
    figure, axes = _canvas((length + 3) * _INCHES_PER_BASE, (high - low) * _INCHES_PER_BASE)
    axes.set(xlim=(-2, length + 1), ylim=(low, high), aspect="equal")
    if reference is None:
        crossing = record.structure.crossing_pairs()
        for pair in sorted(pairs):
            _arc(axes, pair, KNOT if pair in crossing else PAIR, flat)
    else:
        for pair in sorted(known):
            _arc(axes, pair, BOTH if pair in pairs else MISSED, flat)
        for pair in sorted(pairs):
            _arc(axes, pair, BOTH if pair in known else PREDICTED, -flat)
    places = np.stack([np.arange(length), np.zeros(length)], axis=1).astype(float)
    _letters(axes, places, record.sequence)
    for number in _numbered_bases(length):
        axes.text(number - 1, low + 0.6, str(number), **_SMALL)
    axes.text(-1.3, 0, "5'", **_SMALL)
    axes.text(length + 0.3, 0, "3'", **_SMALL)
    return figure


def draw_dots(
    record: StructureRecord, scores: NDArray[np.float32], reference: Structure | None = None
) -> Figure:
    """The score matrix above the diagonal; below it the reference, or else the structure.

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
    shown = record.structure if reference is None else reference
    if shown.pairs:
        left, right = np.array(sorted(shown.pairs)).T + 1
        size = (side * 72 / length) ** 2
        axes.scatter(left, right, s=max(size, 1.0), marker="s", color=PREDICTED, linewidths=0)
    axes.plot([0.5, length + 0.5], [0.5, length + 0.5], color=BACKBONE, linewidth=0.6)
    below = "structure" if reference is None else "reference"
    axes.set(xlabel=f"base (above: scores, below: {below})", ylabel="base")
    return figure


def save(
    figure: Figure, target: str | Path | IO[bytes], image: ImageFormat, follow: bool = True
) -> None:
    """Write a picture, the same bytes every time; `follow` as for files.write_atomically.

    Raises:
        OutputError: the file cannot be written.
    """
    matplotlib = importlib.import_module("matplotlib")
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[image]
    with matplotlib.rc_context({"svg.hashsalt": "rnaformer", "svg.fonttype": "none"}):
        how: dict[str, Any] = {"format": image, "metadata": metadata, "dpi": 150}
        if isinstance(target, (str, Path)):
            with write_atomically(target, binary=True, follow=follow) as file:
                figure.savefig(cast("IO[bytes]", file), **how)
        else:
            figure.savefig(target, **how)


def _check_size(record: StructureRecord, *structures: Structure | None) -> None:
    pairs = max(len(structure.pairs) for structure in structures if structure is not None)
    for found, limit, what in (
        (record.structure.length, MAX_BASES, "bases"),
        (pairs, MAX_PAIRS, "pairs"),
    ):
        if found > limit:
            message = f"{found:,} {what}; a picture shows {limit:,} at the most"
            raise StructureError(message, record=record.id)


def image_format(path: str | Path) -> ImageFormat:
    """The format that a file name asks for.

    Raises:
        OutputError: a name that ends otherwise.
    """
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix not in IMAGE_FORMATS:
        raise OutputError("expected a name that ends in .svg, .png or .pdf", path=path)
    return suffix


_SMALL: dict[str, Any] = {
    "fontsize": 6,
    "ha": "center",
    "va": "center",
    "color": "#555555",
    "zorder": 4,
}


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty picture of so many inches, without a frame."""
    try:
        figures = importlib.import_module("matplotlib.figure")
    except ImportError:
        message = "pictures need matplotlib: pip install 'rnaformer-cli[draw]'"
        raise DependencyError(message) from None
    shrink = min(1.0, _LARGEST / max(width, height))
    size = (max(width * shrink, 1.0), max(height * shrink, 1.0))
    figure: Figure = figures.Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    return figure, axes


def _letters(axes: Axes, places: NDArray[np.float64], sequence: str) -> None:
    colours = [LETTER_COLOURS.get(letter, OTHER_LETTER) for letter in sequence]
    across, up = places[:, 0], places[:, 1]
    edge: dict[str, Any] = {"edgecolors": PAIR, "linewidths": 0.4}
    axes.scatter(across, up, s=95, c=colours, zorder=2, gid="bases", **edge)
    if len(sequence) <= _MAX_LETTERS:
        for x, y, letter in zip(across, up, sequence, strict=True):
            how: dict[str, Any] = {
                "fontsize": 6.5,
                "ha": "center",
                "va": "center_baseline",
                "zorder": 3,
            }
            axes.text(float(x), float(y), letter, **how)


def _numbered_bases(length: int) -> Iterable[int]:
    """The bases that get a number, from 1."""
    return range(NUMBERING_INTERVAL, length + 1, NUMBERING_INTERVAL)


def _outwards(
    places: NDArray[np.float64], index: int, middle: NDArray[np.float64]
) -> NDArray[np.float64]:
    """A direction from a base in which there is room: across the chain, away from the middle."""
    before, after = places[max(index - 1, 0)], places[min(index + 1, len(places) - 1)]
    along = after - before
    across = np.array([-along[1], along[0]])
    size = float(np.linalg.norm(across))
    if size == 0:
        return np.array([0.0, 1.0])
    across = across / size
    nearest = [
        float(
            np.min(
                np.linalg.norm(np.delete(places, index, axis=0) - (places[index] + side), axis=1)
            )
        )
        if len(places) > 1
        else 0.0
        for side in (across, -across)
    ]
    if abs(nearest[0] - nearest[1]) < 0.1:
        return across if float(across @ (places[index] - middle)) >= 0 else -across
    return across if nearest[0] > nearest[1] else -across


def _curve(start: NDArray[np.float64], end: NDArray[np.float64]) -> Any:
    patches = importlib.import_module("matplotlib.patches")
    return patches.FancyArrowPatch(
        tuple(start),
        tuple(end),
        arrowstyle="-",
        connectionstyle="arc3,rad=0.25",
        color=KNOT,
        linewidth=1.2,
        zorder=1,
        gid="knot",
    )


def _arc(axes: Axes, pair: BasePair, colour: str, flat: float) -> None:
    """Half an ellipse, `flat` times as high as a circle; below the line if that is negative."""
    patches = importlib.import_module("matplotlib.patches")
    middle, width = (pair[0] + pair[1]) / 2, pair[1] - pair[0]
    start, end = (0, 180) if flat > 0 else (180, 360)
    foot = (middle, 0.7 if flat > 0 else -0.7)
    how = {"theta1": start, "theta2": end, "color": colour, "linewidth": 1.2, "gid": "arc"}
    axes.add_patch(patches.Arc(foot, width, abs(flat) * width, **how))
