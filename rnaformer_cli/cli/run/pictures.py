"""Pictures of records, for `draw` and `predict --draw`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from rnaformer_cli.cli.formats.score_archive import ScoreArchiveReader, check_length
from rnaformer_cli.drawing.style import (
    DEFAULT_DPI,
    BaseValues,
    Style,
    probability_values,
    reactivity_values,
)
from rnaformer_cli.errors import ScoreError
from rnaformer_cli.scoring.compare import check_same_rna
from rnaformer_cli.structure.structure import BasePair, Structure, StructureRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rnaformer_cli.cli.formats.score_archive import Matrix
    from rnaformer_cli.drawing.canvas import DrawingFormat

Kind = Literal["plane", "arcs", "dots"]


class Drawer:
    """Draws pictures of one kind, with references, scores and values of bases if given.

    `references`, `pair_scores` and `reactivities` (from 0 to 1) are in the order of the records. A
    record without a reference or without reactivities has None.
    """

    def __init__(
        self,
        kind: Kind,
        references: Sequence[StructureRecord | None] | None = None,
        archive: ScoreArchiveReader | None = None,
        style: Style | None = None,
        pair_scores: Sequence[Mapping[BasePair, float]] | None = None,
        reactivities: Sequence[Sequence[float | None] | None] | None = None,
    ) -> None:
        self._kind = kind
        self._references = references
        self._archive = archive
        self._style = style or Style()
        self._pair_scores = pair_scores
        self._reactivities = reactivities

    def draw(self, record: StructureRecord, index: int = 0) -> Figure:
        """The picture of the record with this index.

        Raises:
            ScoreError: the reference or the scores of this id are missing or belong to another RNA.
            DependencyError: ViennaRNA or matplotlib is not installed.
        """
        from rnaformer_cli.drawing.arcs import draw_arcs
        from rnaformer_cli.drawing.dots import draw_dots
        from rnaformer_cli.drawing.plane import draw_plane

        reference = self._reference(record, index)
        matrix = self._matrix(record, index)
        if self._kind == "dots":
            assert matrix is not None
            return draw_dots(record, matrix, reference, self._style)
        values = self._values(record, index, matrix)
        if self._kind == "arcs":
            return draw_arcs(record, reference, self._style, values)
        return draw_plane(record, reference, self._style, values)

    def _reference(self, record: StructureRecord, index: int) -> Structure | None:
        if self._references is None:
            return None
        reference = self._references[index]
        if reference is None:
            raise ScoreError("no reference with this id", record=record.id)
        check_length("reference", reference.structure.length, record)
        check_same_rna(record, reference)
        return reference.structure

    def _matrix(self, record: StructureRecord, index: int) -> Matrix | None:
        if self._archive is None:
            return None
        matrix = self._archive.matrix(index, record)
        if matrix is None:
            raise ScoreError("no scores with this id", record=record.id)
        return matrix

    def _values(
        self, record: StructureRecord, index: int, matrix: Matrix | None
    ) -> BaseValues | None:
        """The values that colour the bases, if they are not coloured by letter."""
        if self._reactivities is not None:
            reactivities = self._reactivities[index]
            return None if reactivities is None else reactivity_values(reactivities)
        if matrix is not None:
            pairs = record.structure.pairs
            scores = {pair: float(matrix[pair]) for pair in pairs}
            return probability_values(record.structure, scores, matrix)
        if self._pair_scores is not None:
            return probability_values(record.structure, self._pair_scores[index])
        return None

    def save(
        self,
        record: StructureRecord,
        target: str | Path | IO[bytes],
        target_format: DrawingFormat,
        index: int = 0,
        follow: bool = True,
        dpi: int = DEFAULT_DPI,
    ) -> None:
        """Write the picture, or the coordinates of the plane; `follow` as in write_atomically.

        Raises:
            ScoreError, DependencyError: as in `draw`.
            OutputError: the file cannot be written.
        """
        from rnaformer_cli.drawing.canvas import save_figure
        from rnaformer_cli.drawing.rna2d import format_rna2d, save_rna2d

        if target_format != "rna2d":
            save_figure(self.draw(record, index), target, target_format, follow, dpi)
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
