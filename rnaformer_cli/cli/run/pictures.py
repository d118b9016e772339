"""Pictures of records, for `draw` and `predict --draw`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from rnaformer_cli.cli.formats.score_archive import ScoreArchiveReader, check_length
from rnaformer_cli.errors import ScoreError
from rnaformer_cli.scoring.compare import check_same_rna
from rnaformer_cli.structure.structure import Structure, StructureRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rnaformer_cli.drawing.picture import DrawingFormat

Kind = Literal["plane", "arcs", "dots"]


class Drawer:
    """Draws pictures of one kind. "arcs" and "dots" may show references; "dots" needs scores.

    `references` and `reactivities` (for "plane", from 0 to 1) are in the order of the records. A
    record without them has None.
    """

    def __init__(
        self,
        kind: Kind,
        references: Sequence[StructureRecord | None] | None = None,
        archive: ScoreArchiveReader | None = None,
        reactivities: Sequence[Sequence[float | None] | None] | None = None,
    ) -> None:
        self._kind = kind
        self._references = references
        self._archive = archive
        self._reactivities = reactivities

    def draw(self, record: StructureRecord, index: int = 0) -> Figure:
        """The picture of the record with this index.

        Raises:
            ScoreError: the reference or the scores of this id are missing or belong to another RNA.
            DependencyError: ViennaRNA or matplotlib is not installed.
        """
        from rnaformer_cli.drawing.picture import draw_arcs, draw_dots, draw_plane

        if self._kind == "plane":
            return draw_plane(record, self._reactivities[index] if self._reactivities else None)
        reference = None
        if self._references is not None:
            reference_record = self._references[index]
            if reference_record is None:
                raise ScoreError("no reference with this id", record=record.id)
            check_length("reference", reference_record.structure.length, record)
            check_same_rna(record, reference_record)
            reference = reference_record.structure
        if self._kind == "arcs":
            return draw_arcs(record, reference)
        scores = None if self._archive is None else self._archive.matrix(index, record)
        if scores is None:
            raise ScoreError("no scores with this id", record=record.id)
        return draw_dots(record, scores, reference)

    def save(
        self,
        record: StructureRecord,
        target: str | Path | IO[bytes],
        target_format: DrawingFormat,
        index: int = 0,
        follow: bool = True,
    ) -> None:
        """Write the picture, or the coordinates of the plane; `follow` as in write_atomically.

        Raises:
            ScoreError, DependencyError: as in `draw`.
            OutputError: the file cannot be written.
        """
        from rnaformer_cli.drawing.picture import save_figure
        from rnaformer_cli.drawing.rna2d import format_rna2d, save_rna2d

        if target_format != "rna2d":
            save_figure(self.draw(record, index), target, target_format, follow)
        elif isinstance(target, (str, Path)):
            save_rna2d(record, target, follow)
        else:
            target.write(format_rna2d(record).encode())


def check_drawing() -> None:
    """Draw a test picture, so that missing packages are reported before any prediction.

    Raises:
        DependencyError: ViennaRNA or matplotlib is not installed.
    """
    Drawer("plane").draw(StructureRecord("x", "A", Structure(1, frozenset())))
