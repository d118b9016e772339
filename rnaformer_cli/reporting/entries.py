"""The entries of a report page: predictions with their references, if there are any."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rnaformer_cli.errors import StructureError
from rnaformer_cli.reporting.pictures import draw_svg, shows_arcs
from rnaformer_cli.scoring.compare import RecordScore, ScoringRules, match_ids, score_record
from rnaformer_cli.scoring.counts import PairCounts
from rnaformer_cli.structure.brackets import format_dot_bracket
from rnaformer_cli.structure.jsonl import PredictedRecord
from rnaformer_cli.structure.structure import BasePair, Structure, StructureRecord


@dataclass(frozen=True, slots=True)
class ReportEntry:
    """A record on the report page."""

    prediction: PredictedRecord
    reference: Structure | None = None
    counts: PairCounts | None = None  # against the reference
    picture: str = ""  # an <svg> element, or ""

    @property
    def record(self) -> StructureRecord:
        """The RNA and its predicted structure."""
        return self.prediction.structure_record

    @property
    def has_arcs(self) -> bool:
        """Whether the picture shows arcs instead of helices in the plane."""
        return shows_arcs(self.record.structure, self.reference)

    @property
    def n_crossing(self) -> int:
        """The number of pairs that cross another pair."""
        return len(self.record.structure.crossing_pairs())

    @property
    def families_text(self) -> str:
        """The names and accessions of the families, each once."""
        return ", ".join(dict.fromkeys(part.label for part in self.prediction.families))

    @property
    def sequence_text(self) -> str:
        """The sequence, and the structure below it if dot-bracket can hold it."""
        try:
            return f"{self.record.sequence}\n{format_dot_bracket(self.record.structure)}"
        except StructureError:
            return self.record.sequence

    @property
    def pairs_text(self) -> str:
        """One line per pair: 1-based bases, letters, score; `*` if it is not in the reference."""
        expected = None if self.reference is None else self.reference.pairs
        lines = []
        for pair in self.record.structure.sorted_pairs:
            mark = " *" if expected is not None and pair not in expected else ""
            score = self.prediction.pair_scores[pair]
            lines.append(f"{self._format_pair(pair)}  {score:.3f}{mark}")
        return "\n".join(lines)

    @property
    def missed_text(self) -> str:
        """One line per pair of the reference that was not predicted."""
        expected = frozenset() if self.reference is None else self.reference.pairs
        missed = sorted(expected - self.record.structure.pairs)
        return "\n".join(self._format_pair(pair) for pair in missed)

    def _format_pair(self, pair: BasePair) -> str:
        left, right = pair
        sequence = self.record.sequence
        width = len(str(len(sequence)))
        return f"{left + 1:>{width}}-{right + 1:<{width}} {sequence[left]}-{sequence[right]}"


def compare_entries(
    predictions: Sequence[PredictedRecord], references: Sequence[StructureRecord]
) -> tuple[list[ReportEntry], list[RecordScore]]:
    """The entries in the order of the predictions, and the scores in the order of the references.

    Raises:
        ScoreError: a prediction and its reference are not the same RNA, or no id is in common.
    """
    entries = [ReportEntry(prediction) for prediction in predictions]
    scores = []
    indices = match_ids([entry.record for entry in entries], references)
    for index, reference in zip(indices, references, strict=True):
        record = None if index is None else entries[index].record
        scores.append(score_record(record, reference, ScoringRules()))
        if index is not None:
            entries[index] = replace(
                entries[index], reference=reference.structure, counts=scores[-1].exact
            )
    return entries, scores


def add_pictures(entries: Iterable[ReportEntry], limit: int) -> list[ReportEntry]:
    """The entries, with pictures of the first `limit`.

    Raises:
        DependencyError: ViennaRNA or matplotlib is not installed.
    """
    return [
        replace(entry, picture=draw_svg(entry.record, entry.reference, f"p{number}"))
        if number <= limit
        else entry
        for number, entry in enumerate(entries, start=1)
    ]
