"""Pictures as SVG elements that can stand in one HTML page, any number of them."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

from rnaformer_cli.drawing.picture import draw_arcs, draw_plane, save
from rnaformer_cli.reporting.text import fit
from rnaformer_cli.structure.structure import Structure, StructureRecord

_SVG = "http://www.w3.org/2000/svg"
_LINK = "{http://www.w3.org/1999/xlink}href"
_STANDALONE_ELEMENTS = (
    "metadata",
    "defs/style",
)  # of a file by itself; a style would reach the whole page
_REFERENCE = re.compile(r"#([\w.-]+)")
_DECIMALS = re.compile(r"\d+\.\d{3,}")
_FONT = re.compile(r"font-family: [^;]*;? ?")  # the page's, and half of the bytes

ElementTree.register_namespace("", _SVG)


def picture(record: StructureRecord, reference: Structure | None, prefix: str) -> str:
    """An `<svg>` element, the same for the same input; its ids begin with `prefix`.

    Arcs where there is a reference, or a base with several partners, which a plane cannot show;
    else helices in the plane.

    Raises:
        DependencyError: ViennaRNA or matplotlib is not installed.
    """
    has_arcs = shows_arcs(record.structure, reference)
    figure = draw_arcs(record, reference) if has_arcs else draw_plane(record)
    file = io.BytesIO()
    save(figure, file, "svg")
    return embed_svg(file.getvalue(), f"{prefix}-", f"Structure of {record.id}")


def shows_arcs(structure: Structure, reference: Structure | None) -> bool:
    """Whether a picture has arcs, and not helices in the plane."""
    return reference is not None or bool(structure.multiplets())


def embed_svg(svg: bytes, prefix: str, label: str) -> str:
    """A file of matplotlib's as an element: without what only a file needs, ids made unique."""
    root = ElementTree.fromstring(svg)
    for path in _STANDALONE_ELEMENTS:
        above, _, tag = path.rpartition("/")
        for parent in root.iterfind(f"{{{_SVG}}}{above}") if above else [root]:
            for child in parent.findall(f"{{{_SVG}}}{tag}"):
                parent.remove(child)
    used = {found for element in root.iter() for found in _references(element)}
    for element in root.iter():
        _rename(element, used, prefix)
        for name, value in element.attrib.items():
            element.set(name, _shorter(value))
        element.tail = None
    root.attrib.update({"role": "img", "aria-label": fit(label), "stroke-linejoin": "round"})
    return ElementTree.tostring(root, encoding="unicode")


def _references(element: ElementTree.Element) -> list[str]:
    """The ids that an element refers to, as `#x` or `url(#x)`; colours only look like them."""
    return [found for value in element.attrib.values() for found in _REFERENCE.findall(value)]


def _rename(element: ElementTree.Element, used: set[str], prefix: str) -> None:
    """Prefix the id if anything refers to it, else drop it; follow in what refers to others."""
    name = element.attrib.pop("id", None)
    if name in used:
        element.set("id", f"{prefix}{name}")
    if _LINK in element.attrib:
        element.set("href", element.attrib.pop(_LINK).replace("#", f"#{prefix}"))
    if "clip-path" in element.attrib:
        element.set("clip-path", element.attrib["clip-path"].replace("#", f"#{prefix}"))


def _shorter(value: str) -> str:
    """A hundredth of a point is fine enough, and one line is."""
    rounded = _DECIMALS.sub(lambda found: f"{float(found[0]):.2f}", _FONT.sub("", value))
    return " ".join(rounded.split())
