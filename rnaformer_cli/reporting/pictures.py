"""Pictures as SVG elements; one HTML page can embed any number of them."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.drawing.arcs import draw_arcs
from rnaformer_cli.drawing.canvas import save_figure
from rnaformer_cli.drawing.dots import draw_dots
from rnaformer_cli.drawing.layers import INKSCAPE
from rnaformer_cli.drawing.plane import draw_plane
from rnaformer_cli.drawing.style import Colouring, Style, probability_values, reactivity_values
from rnaformer_cli.reporting.text import sanitise
from rnaformer_cli.structure.jsonl import PredictedRecord
from rnaformer_cli.structure.structure import Structure, StructureRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SVG = "http://www.w3.org/2000/svg"
_LINK = "{http://www.w3.org/1999/xlink}href"
# Removed: a style would apply to the whole page, and metadata are for standalone files.
_STANDALONE_ELEMENTS = ("metadata", "defs/style")
_REFERENCE = re.compile(r"#([\w.-]+)")
_DECIMALS = re.compile(r"\d+\.\d{3,}")
# Removed, because the page sets the font; this halves the size.
_FONT = re.compile(r"font-family: [^;]*;? ?")

_PAIR = re.compile(r"(?:pair|knot|missed|arc|under)-(\d+-\d+)")  # ids of pairs, 1-based
_LAYER = "layer-"

View = Literal["plane", "arcs", "dots"]
ReportColouring: TypeAlias = Colouring | Literal["reactivity"]
Matrix: TypeAlias = NDArray[np.float32]  # of scores, (L, L)
PictureReader: TypeAlias = Callable[[int, StructureRecord], Matrix | None]
NAMES: dict[View, str] = {"plane": "Structure", "arcs": "Arcs", "dots": "Dot plot"}

ElementTree.register_namespace("", _SVG)


@dataclass(frozen=True, slots=True)
class ReportPicture:
    """A picture of a record, as an `<svg>` element."""

    view: View
    svg: str


def draw_pictures(
    prediction: PredictedRecord,
    reference: Structure | None,
    prefix: str,
    colouring: ReportColouring = "base",
    matrix: Matrix | None = None,
) -> Iterator[ReportPicture]:
    """Yield reproducible pictures whose ids begin with `prefix`.

    A drawing of helices in the plane, unless a base has several partners; arcs, if a base has
    several partners or there is a reference; a dot plot of the matrix, or without it of the pairs.
    `reactivity` colours the bases of records with probing data by their relative reactivities.

    Raises:
        DependencyError: ViennaRNA or matplotlib is not installed.
    """
    record = prediction.structure_record
    structure, scores = record.structure, prediction.pair_scores
    style = Style(colours_letters=colouring == "base")
    values = None
    if colouring == "probability":
        values = probability_values(structure, scores, matrix)
    elif colouring == "reactivity" and prediction.agreement and prediction.agreement.relative:
        values = reactivity_values(prediction.agreement.relative)
    has_multiplets = bool(structure.multiplets())
    if not has_multiplets:
        figure = draw_plane(record, reference, style, values)
        yield _picture(figure, "plane", prefix, record)
    if has_multiplets or reference is not None:
        figure = draw_arcs(record, reference, style, values)
        yield _picture(figure, "arcs", prefix, record)
    if matrix is None:
        matrix = np.zeros((structure.length, structure.length), dtype=np.float32)
        for (left, right), score in scores.items():
            matrix[left, right] = score
    yield _picture(draw_dots(record, matrix, reference), "dots", prefix, record)


def _picture(figure: Figure, view: View, prefix: str, record: StructureRecord) -> ReportPicture:
    file = io.BytesIO()
    save_figure(figure, file, "svg")
    label = f"{NAMES[view]} of {record.id}"
    return ReportPicture(view, embed_svg(file.getvalue(), f"{prefix}-{view}-", label))


def embed_svg(svg: bytes, prefix: str, label: str) -> str:
    """An SVG file of matplotlib as an element, without file metadata and with unique ids."""
    root = ElementTree.fromstring(svg)
    for path in _STANDALONE_ELEMENTS:
        parent_tag, _, tag = path.rpartition("/")
        for parent in root.iterfind(f"{{{_SVG}}}{parent_tag}") if parent_tag else [root]:
            for child in parent.findall(f"{{{_SVG}}}{tag}"):
                parent.remove(child)
    used = {name for element in root.iter() for name in _references(element)}
    for element in root.iter():
        _rename(element, used, prefix)
        for name, value in element.attrib.items():
            element.set(name, _shorten(value))
        element.tail = None
    root.attrib.update({"role": "img", "aria-label": sanitise(label), "stroke-linejoin": "round"})
    return ElementTree.tostring(root, encoding="unicode")


def _references(element: ElementTree.Element) -> list[str]:
    """The ids that an element refers to, as `#x` or `url(#x)`; colours match too, harmlessly."""
    return [name for value in element.attrib.values() for name in _REFERENCE.findall(value)]


def _rename(element: ElementTree.Element, used: set[str], prefix: str) -> None:
    """Prefix the id of an element if it is used, else remove it; prefix its references to ids.

    The ids of pairs and of layers become data that the script of the page reads.
    """
    name = element.attrib.pop("id", "")
    if found := _PAIR.fullmatch(name):
        element.set("data-pair", found[1])
    if name.startswith(_LAYER):
        element.set("data-layer", name.removeprefix(_LAYER))
    for attribute in ("groupmode", "label"):
        element.attrib.pop(f"{{{INKSCAPE}}}{attribute}", None)
    if name in used:
        element.set("id", f"{prefix}{name}")
    if _LINK in element.attrib:
        element.set("href", element.attrib.pop(_LINK).replace("#", f"#{prefix}"))
    if "clip-path" in element.attrib:
        element.set("clip-path", element.attrib["clip-path"].replace("#", f"#{prefix}"))


def _shorten(value: str) -> str:
    """An attribute with two decimals, without the font, on one line."""
    rounded = _DECIMALS.sub(lambda match: f"{float(match[0]):.2f}", _FONT.sub("", value))
    return " ".join(rounded.split())
