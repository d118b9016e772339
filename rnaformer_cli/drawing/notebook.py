"""A structure as HTML for notebooks such as Jupyter."""

from __future__ import annotations

import base64
import html
import io

from rnaformer_cli.drawing.arcs import draw_arcs
from rnaformer_cli.drawing.canvas import save_figure
from rnaformer_cli.drawing.plane import draw_plane
from rnaformer_cli.errors import DependencyError, StructureError
from rnaformer_cli.structure.brackets import format_dot_bracket
from rnaformer_cli.structure.structure import StructureRecord

MAX_BASES = 1_000  # of a picture; larger ones slow a notebook down


def structure_html(record: StructureRecord, note: str) -> str:
    """An HTML figure with a picture, the id, a note, the sequence and the dot-bracket.

    There is no picture for an RNA of more than MAX_BASES, or without ViennaRNA and matplotlib. A
    structure that dot-bracket cannot hold is shown as arcs without brackets.
    """
    try:
        text = f"{record.sequence}\n{format_dot_bracket(record.structure)}"
    except StructureError:
        text = record.sequence
    title = html.escape(f"{record.id}: {len(record.sequence)} bases, {note}")
    return (
        f"<figure>{_picture(record)}<figcaption>{title}</figcaption>"
        f'<pre style="overflow-x: auto">{html.escape(text)}</pre></figure>'
    )


def _picture(record: StructureRecord) -> str:
    """The picture as an image, whose ids cannot clash with those of another cell."""
    if record.structure.length > MAX_BASES:
        return ""
    file = io.BytesIO()
    try:
        draw = draw_arcs if record.structure.multiplets() else draw_plane
        save_figure(draw(record), file, "svg")
    except (DependencyError, StructureError):  # no packages, or more pairs than a picture holds
        return ""
    data = base64.b64encode(file.getvalue()).decode("ascii")
    about = html.escape(f"Structure of {record.id}", quote=True)
    return f'<img alt="{about}" style="max-width: 100%" src="data:image/svg+xml;base64,{data}">'
