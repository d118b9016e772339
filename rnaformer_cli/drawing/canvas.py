"""The canvas of a picture: its size, title, legend and colour bar, and the files it is saved to."""

from __future__ import annotations

import importlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, cast

from rnaformer_cli.drawing.layers import add_layers
from rnaformer_cli.drawing.style import DEFAULT_DPI, BaseValues, Legend
from rnaformer_cli.errors import DependencyError, OutputError, StructureError
from rnaformer_cli.files import write_atomically
from rnaformer_cli.structure.structure import Structure, StructureRecord

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
MAX_BASES = 30_000  # limit of ViennaRNA's layouts; a picture of this size takes half a minute
MAX_PAIRS = 30_000
MAX_LETTERS = 3_000  # longer RNAs are drawn without letters, which would be too small

_MAX_INCHES = 60.0  # of the longer side; larger pictures are scaled down
_MIN_LETTER_POINTS = 3.0
_TEXT_POINTS = 7.0  # of titles, legends and colour bars
_MARGIN = 0.05  # inches around everything
_LINE = 0.2  # inches of a line of text
_BAR = 0.8  # inches of a colour bar with its numbers
_INCHES_PER_LETTER = 0.062


@dataclass(frozen=True, slots=True)
class Canvas:
    """A figure whose data coordinates are bases."""

    figure: Figure
    axes: Axes
    points_per_base: float

    @property
    def letter_points(self) -> float:
        """The size of a letter that fits into a base."""
        return 0.56 * self.points_per_base

    def fits_letters(self, length: int) -> bool:
        """Whether letters can be read and are not too many."""
        return length <= MAX_LETTERS and self.letter_points >= _MIN_LETTER_POINTS


def new_canvas(
    width: float,
    height: float,
    inches_per_base: float,
    title: str = "",
    legend: Legend = (),
    values: BaseValues | None = None,
) -> Canvas:
    """An empty canvas of this size in bases, with its title, legend and colour bar.

    Raises:
        DependencyError: matplotlib is not installed.
    """
    scale = min(inches_per_base, _MAX_INCHES / max(width, height))
    rows = _legend_rows(legend, max(width * scale, 2.5))
    top, right = _LINE if title else 0.0, _BAR if values is not None else 0.0
    bottom = _LINE * len(rows)
    inner = width * scale, height * scale
    texts = [title, *("---" + "".join(f"{text}------" for _, text in row) for row in rows)]
    full_width = max(inner[0], *(len(text) * _INCHES_PER_LETTER for text in texts), 0.6) + right
    full_height = max(inner[1], 1.2 if right else 0.4) + top + bottom
    size = full_width + 2 * _MARGIN, full_height + 2 * _MARGIN
    figure: Figure = _matplotlib("figure").Figure(figsize=size)
    left = (full_width - right - inner[0]) / 2 + _MARGIN
    low = bottom + (full_height - top - bottom - inner[1]) / 2 + _MARGIN
    box = left / size[0], low / size[1], inner[0] / size[0], inner[1] / size[1]
    axes = figure.add_axes(box)
    axes.set_axis_off()
    figure.patch.set_gid("background")
    middle = (full_width - right) / 2 + _MARGIN
    if title:
        place = middle / size[0], 1 - (_MARGIN + 0.3 * _LINE) / size[1]
        figure.text(*place, title, gid="title", ha="center", va="top", fontsize=_TEXT_POINTS + 1)
    for index, row in enumerate(rows):
        y = (_MARGIN + (len(rows) - index - 0.5) * _LINE) / size[1]
        _draw_legend_row(figure, row, middle / size[0], y)
    if values is not None:
        _draw_bar(figure, values, size)
    return Canvas(figure, axes, 72 * scale)


def save_figure(
    figure: Figure,
    target: str | Path | IO[bytes],
    image: ImageFormat,
    follow: bool = True,
    dpi: int = DEFAULT_DPI,
) -> None:
    """Write a picture with reproducible bytes; `follow` as in files.write_atomically.

    The groups of an SVG file are layers, with names that Inkscape and Illustrator show.

    Raises:
        OutputError: the file cannot be written.
    """
    matplotlib = importlib.import_module("matplotlib")
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[image]
    content = io.BytesIO()
    settings = {"svg.hashsalt": "rnaformer", "svg.fonttype": "none", "pdf.fonttype": 42}
    with matplotlib.rc_context(settings):
        options: dict[str, Any] = {"format": image, "metadata": metadata, "dpi": dpi}
        figure.savefig(content, **options)
    data = add_layers(content.getvalue()) if image == "svg" else content.getvalue()
    if isinstance(target, (str, Path)):
        with write_atomically(target, binary=True, follow=follow) as file:
            cast("IO[bytes]", file).write(data)
    else:
        target.write(data)


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


def colour_map(name: str) -> Any:
    """A colour map of matplotlib, or for a colour such as `#D55E00` the one from white to it."""
    if name.startswith("#"):
        colours = importlib.import_module("matplotlib.colors")
        return colours.LinearSegmentedColormap.from_list(name, ["#FFFFFF", name])
    return importlib.import_module("matplotlib").colormaps[name]


def _matplotlib(module: str) -> Any:
    try:
        return importlib.import_module(f"matplotlib.{module}")
    except ImportError:
        message = "pictures need matplotlib: pip install '.[draw]' in a checkout"
        raise DependencyError(message) from None


def _legend_rows(legend: Legend, width: float) -> list[Legend]:
    """The legend in one row, or one row for each entry if it is wider than the picture."""
    if not legend:
        return []
    needed = sum(len(text) * _INCHES_PER_LETTER + 0.4 for _, text in legend)
    return [legend] if needed <= width else [[entry] for entry in legend]


def _draw_legend_row(figure: Figure, row: Legend, x: float, y: float) -> None:
    lines = importlib.import_module("matplotlib.lines")
    handles = [
        lines.Line2D([], [], color=colour, linewidth=1.6, label=text) for colour, text in row
    ]
    drawn = figure.legend(
        handles=handles,
        loc="center",
        bbox_to_anchor=(x, y),
        ncols=len(row),
        fontsize=_TEXT_POINTS,
        frameon=False,
        borderpad=0,
        borderaxespad=0,
        handlelength=1.6,
        columnspacing=1.5,
    )
    drawn.set_gid("legend")


def _draw_bar(figure: Figure, values: BaseValues, size: tuple[float, float]) -> None:
    """A colour bar at the right edge, as squares: a gradient would be an image in SVG files."""
    import numpy as np

    steps = 32
    height = min(1.6, size[1] - 0.4)
    box = (size[0] - _BAR + 0.15) / size[0], 0.5 - height / 2 / size[1], 0.1 / size[0]
    bar = figure.add_axes((*box, height / size[1]))
    levels = (np.arange(steps) + 0.5) / steps
    colours = colour_map(values.colour_map)(levels)
    width = (values.high - values.low) / steps
    starts = values.low + np.arange(steps) * width
    bar.barh(starts, 1.0, height=1.02 * width, align="edge", color=colours, linewidth=0)
    bar.set(xlim=(0, 1), ylim=(values.low, values.high), xticks=[])
    bar.yaxis.tick_right()
    bar.yaxis.set_label_position("right")
    if values.ticks:
        places, texts = zip(*values.ticks, strict=True)
        bar.set_yticks(places, texts)
    bar.tick_params(labelsize=_TEXT_POINTS - 1, length=2, width=0.5, pad=1.5)
    bar.set_ylabel(values.label, fontsize=_TEXT_POINTS, labelpad=3)
    bar.set_gid("colour-bar")
    for spine in bar.spines.values():
        spine.set_linewidth(0.5)
