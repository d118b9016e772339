"""A record with a pseudoknot, and functions that read the content of pictures from SVG."""

import io
import re
import xml.etree.ElementTree as ElementTree

from rnaformer_cli.drawing.canvas import save_figure
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.structure import StructureRecord

DOT_BRACKET = "((((...[[[))))...]]]..."
LETTERS = "GGGGAAACCCCCCCAAAGGGUUN"
KNOT = StructureRecord("knot", LETTERS, parse_dot_bracket(DOT_BRACKET))
SVG = "{http://www.w3.org/2000/svg}"


def written(figure, image="svg", **options):
    """The bytes of a picture in a file format."""
    file = io.BytesIO()
    save_figure(figure, file, image, **options)
    return file.getvalue()


def elements(figure):
    """All elements of a picture."""
    return list(ElementTree.fromstring(written(figure).decode()).iter())


def texts(figure):
    """All texts of a picture, in the order of the file."""
    return ["".join(node.itertext()) for node in elements(figure) if node.tag == f"{SVG}text"]


def named(figure, prefix):
    """The elements whose id begins with this text."""
    return [node for node in elements(figure) if node.get("id", "").startswith(prefix)]


def colours(figure, prefix):
    """The line colours of the elements whose id begins with this text."""
    styles = [
        path.get("style", "") for node in named(figure, prefix) for path in node.iter(f"{SVG}path")
    ]
    return [found[1].upper() for style in styles if (found := re.search(r"stroke: (#\w+)", style))]


def fills(figure):
    """The colours of the bases, in order."""
    [bases] = named(figure, "bases")
    uses = [node.get("style", "") for node in bases.iter(f"{SVG}use")]
    return [re.search(r"fill: (#\w+)", style)[1].upper() for style in uses]
