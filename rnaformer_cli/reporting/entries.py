"""What a page tells of each record: the prediction, and beside it the reference if there is one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rnaformer_cli.errors import StructureError
from rnaformer_cli.reporting.pictures import picture, shows_arcs
from rnaformer_cli.scoring.compare import RecordScore, Rules, match, score_record
from rnaformer_cli.scoring.counts import PairCounts
from rnaformer_cli.structure.brackets import format_dot_bracket
from rnaformer_cli.structure.jsonl import PredictedRecord
from rnaformer_cli.structure.structure import BasePair, Structure, StructureRecord


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of the page."""

    prediction: PredictedRecord
    reference: Structure | None = None
    counts: PairCounts | None = None  # against the reference
    picture: str = ""  # an <svg> element, or nothing

    @property
    def record(self) -> StructureRecord:
        """The RNA and its predicted structure."""
        return self.prediction.structure_record

    @property
    def has_arcs(self) -> bool:
        """Whether its picture has arcs, and not helices in the plane."""
        return shows_arcs(self.record.structure, self.reference)

    @property
    def letters(self) -> str:
        """The sequence, and the brackets below it where they can hold the pairs."""
        try:
            return f"{self.record.sequence}\n{format_dot_bracket(self.record.structure)}"
        except StructureError:
            return self.record.sequence

    @property
    def pairs(self) -> str:
        """A line for each pair: bases from 1, letters, score; `*` if the reference lacks it."""
        known = None if self.reference is None else self.reference.pairs
        lines = []
        for pair in self.record.structure.sorted_pairs:
            mark = " *" if known is not None and pair not in known else ""
            lines.append(f"{self._named(pair)}  {self.prediction.pair_scores[pair]:.3f}{mark}")
        return "\n".join(lines)

    @property
    def missed(self) -> str:
        """A line for each pair of the reference that was not predicted."""
        known = frozenset() if self.reference is None else self.reference.pairs
        return "\n".join(self._named(pair) for pair in sorted(known - self.record.structure.pairs))

    def _named(self, pair: BasePair) -> str:
        left, right = pair
        sequence = self.record.sequence
        wide = len(str(len(sequence)))
        return f"{left + 1:>{wide}}-{right + 1:<{wide}} {sequence[left]}-{sequence[right]}"


def compared(
    predictions: Sequence[PredictedRecord], references: Sequence[StructureRecord]
) -> tuple[list[Entry], list[RecordScore]]:
    """The entries in the order of the predictions, and the scores in that of the references.

    Raises:
        ScoreError: a prediction and its reference are not the same RNA, or no id is in common.
    """
    entries = [Entry(prediction) for prediction in predictions]
    scores = []
    places = match([entry.record for entry in entries], references)
    for place, reference in zip(places, references, strict=True):
        record = None if place is None else entries[place].record
        scores.append(score_record(record, reference, Rules()))
        if place is not None:
            known = reference.structure
            entries[place] = replace(entries[place], reference=known, counts=scores[-1].exact)
    return entries, scores


def add_pictures(entries: Iterable[Entry], limit: int) -> list[Entry]:
    """The entries, the first so many of them with their pictures.

    Raises:
        DependencyError: ViennaRNA or matplotlib is not installed.
    """
    return [
        replace(entry, picture=picture(entry.record, entry.reference, f"p{number}"))
        if number <= limit
        else entry
        for number, entry in enumerate(entries, start=1)
    ]
