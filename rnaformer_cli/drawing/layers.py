"""Layers of an SVG file, with the names that Inkscape and Illustrator show."""

from __future__ import annotations

import re
from xml.etree import ElementTree

SVG = "http://www.w3.org/2000/svg"
INKSCAPE = "http://www.inkscape.org/namespaces/inkscape"
XLINK = "http://www.w3.org/1999/xlink"

# The id of a layer: the label, and the ids of its elements up to the first digit.
LAYERS = {
    "background": ("Background", ("background",)),
    "frame": ("Frame", ("frame",)),
    "diagonal": ("Diagonal", ("diagonal",)),
    "backbone": ("Backbone", ("backbone",)),
    "pairs": ("Base pairs", ("pair-",)),
    "pseudoknots": ("Pseudoknots", ("knot-",)),
    "missed-pairs": ("Pairs only in the reference", ("missed-",)),
    "arcs": ("Pairs above the sequence", ("arc-",)),
    "arcs-below": ("Pairs below the sequence", ("under-",)),
    "probabilities": ("Base-pair probabilities", ("probabilities",)),
    "structure": ("Structure", ("structure",)),
    "bases": ("Bases", ("bases",)),
    "letters": ("Letters", ("letter-",)),
    "ticks": ("Tick lines", ("tick-",)),
    "numbers": ("Numbers", ("number-", "end-")),
    "title": ("Title", ("title", "title-")),
    "legend": ("Legend", ("legend",)),
    "colour-bar": ("Colour bar", ("colour-bar",)),
}
_LAYER_OF = {prefix: layer for layer, (_, prefixes) in LAYERS.items() for prefix in prefixes}
_KIND = re.compile(r"[a-z]+-(?=\d)|[a-z-]+")


def add_layers(svg: bytes) -> bytes:
    """An SVG file of matplotlib with a group for each layer, in the order of drawing.

    Elements with the ids of a layer become children of its group. All others stay where they are.
    """
    for prefix, address in (("", SVG), ("inkscape", INKSCAPE), ("xlink", XLINK)):
        ElementTree.register_namespace(prefix, address)
    root = ElementTree.fromstring(svg)
    figure = root.find(f"{{{SVG}}}g")
    if figure is None:
        return svg
    _group(figure)
    for axes in figure.findall(f"{{{SVG}}}g"):
        if axes.get("id", "").startswith("axes_"):
            _group(axes)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8" standalone="no"?>\n{text}\n'.encode()


def _group(parent: ElementTree.Element) -> None:
    """Move the children that belong to a layer into a group at the place of the first one."""
    groups: dict[str, ElementTree.Element] = {}
    for child in list(parent):
        found = _KIND.match(child.get("id", ""))
        layer = _LAYER_OF.get(found[0]) if found else None
        if layer is None:
            continue
        if layer not in groups:
            label = LAYERS[layer][0]
            attributes = {
                "id": f"layer-{layer}",
                f"{{{INKSCAPE}}}groupmode": "layer",
                f"{{{INKSCAPE}}}label": label,
            }
            groups[layer] = ElementTree.Element(f"{{{SVG}}}g", attributes)
            parent.insert(list(parent).index(child), groups[layer])
        parent.remove(child)
        groups[layer].append(child)
