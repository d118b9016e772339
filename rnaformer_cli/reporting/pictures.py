"""Pictures as SVG elements, any number of which can be embedded in one HTML page."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

from rnaformer_cli.drawing.arcs import draw_arcs
from rnaformer_cli.drawing.canvas import save_figure
from rnaformer_cli.drawing.plane import draw_plane
from rnaformer_cli.reporting.text import sanitise
from rnaformer_cli.structure.structure import Structure, StructureRecord

_SVG = "http://www.w3.org/2000/svg"
_LINK = "{http://www.w3.org/1999/xlink}href"
# Elements for standalone files; a style would apply to the whole page.
_STANDALONE_ELEMENTS = ("metadata", "defs/style")
_REFERENCE = re.compile(r"#([\w.-]+)")
_DECIMALS = re.compile(r"\d+\.\d{3,}")
_FONT = re.compile(
    r"font-family: [^;]*;? ?"
)  # removed: the page sets the font; saves half the size

ElementTree.register_namespace("", _SVG)


def draw_svg(record: StructureRecord, reference: Structure | None, prefix: str) -> str:
    """A reproducible `<svg>` element whose ids begin with `prefix`.

    It shows arcs if there is a reference or a base with several partners, which helices in the
    plane cannot show; else helices in the plane.

    Raises:
        DependencyError: ViennaRNA or matplotlib is not installed.
    """
    has_arcs = shows_arcs(record.structure, reference)
    figure = draw_arcs(record, reference) if has_arcs else draw_plane(record)
    file = io.BytesIO()
    save_figure(figure, file, "svg")
    return embed_svg(file.getvalue(), f"{prefix}-", f"Structure of {record.id}")


def shows_arcs(structure: Structure, reference: Structure | None) -> bool:
    """Whether a picture shows arcs instead of helices in the plane."""
    return reference is not None or bool(structure.multiplets())


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
    """The ids that an element refers to, as `#x` or `url(#x)`; also colours, which do no harm."""
    return [name for value in element.attrib.values() for name in _REFERENCE.findall(value)]


def _rename(element: ElementTree.Element, used: set[str], prefix: str) -> None:
    """Prefix the id of an element if it is used, else remove it; prefix its references to ids."""
    name = element.attrib.pop("id", None)
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
