"""Pictures of records, for `draw` and `predict --draw`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from rnaformer_cli.cli.formats.score_archive import ScoreArchive, check_length
from rnaformer_cli.errors import ScoreError
from rnaformer_cli.scoring.compare import check_same_rna
from rnaformer_cli.structure.structure import Structure, StructureRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = Literal["plane", "arcs", "dots"]


class Drawer:
    """Draws records of one kind, beside references and scores if there are any.

    References are given by the place of their record; None where a record has none.
    """

    def __init__(
        self,
        kind: Kind,
        references: Sequence[StructureRecord | None] | None = None,
        archive: ScoreArchive | None = None,
    ) -> None:
        self._kind = kind
        self._references = references
        self._archive = archive

    def draw(self, record: StructureRecord, place: int = 0) -> Figure:
        """The picture of a record.

        Raises:
            ScoreError: no reference or no scores of that id, or of another RNA.
            DependencyError: a package that pictures need is not installed.
        """
        from rnaformer_cli.drawing.picture import draw_arcs, draw_dots, draw_plane

        if self._kind == "plane":
            return draw_plane(record)
        reference = None
        if self._references is not None:
            known = self._references[place]
            if known is None:
                raise ScoreError("no reference of that id", record=record.id)
            check_length("reference", known.structure.length, record)
            check_same_rna(record, known)
            reference = known.structure
        if self._kind == "arcs":
            return draw_arcs(record, reference)
        scores = None if self._archive is None else self._archive.matrix(place, record)
        if scores is None:
            raise ScoreError("no scores of that id", record=record.id)
        return draw_dots(record, scores, reference)


def check_drawing() -> None:
    """Fail before any work if pictures cannot be drawn.

    Raises:
        DependencyError: a package that pictures need is not installed.
    """
    Drawer("plane").draw(StructureRecord("x", "A", Structure(1, frozenset())))
