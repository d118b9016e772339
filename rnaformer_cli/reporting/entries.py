"""The entries of a report page: predictions with their references, if there are any."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from rnaformer_cli.errors import StructureError
from rnaformer_cli.reporting.pictures import (
    PictureReader,
    ReportColouring,
    ReportPicture,
    draw_pictures,
)
from rnaformer_cli.scoring.compare import RecordScore, ScoringRules, match_ids, score_record
from rnaformer_cli.scoring.counts import PairCounts
from rnaformer_cli.structure.brackets import format_dot_bracket
from rnaformer_cli.structure.jsonl import PredictedRecord
from rnaformer_cli.structure.structure import BasePair, Structure, StructureRecord

RULER_INTERVAL = 10  # bases between numbers above a sequence
MAX_LINK_BASES = 1_500  # of a sequence in a link; longer addresses are refused by servers
FORNA = "http://rna.tbi.univie.ac.at/forna/forna.html"
RNACANVAS = "https://rnacanvas.app"
RFAM = "https://rfam.org/family/"


@dataclass(frozen=True, slots=True)
class ReportEntry:
    """A record on the report page."""

    prediction: PredictedRecord
    reference: Structure | None = None
    counts: PairCounts | None = None  # against the reference
    pictures: tuple[ReportPicture, ...] = ()

    @property
    def record(self) -> StructureRecord:
        """The RNA and its predicted structure."""
        return self.prediction.structure_record

    @property
    def ruler(self) -> str:
        """Numbers above every tenth base of the sequence."""
        numbers = range(RULER_INTERVAL, self.record.structure.length + 1, RULER_INTERVAL)
        return "".join(f"{number:>{RULER_INTERVAL}}" for number in numbers)

    @property
    def links(self) -> list[tuple[str, str]]:
        """Names and URLs: programs that can show this structure, and its Rfam families."""
        families = dict.fromkeys(part.family for part in self.prediction.families)
        links = [(f"Rfam {name}", RFAM + name) for name in families if _is_rfam(name)]
        sequence, _, structure = self.sequence_text.partition("\n")
        if not structure or len(sequence) > MAX_LINK_BASES:
            return links
        forna = {"id": "url/" + self.record.id, "sequence": sequence, "structure": structure}
        canvas = {"sequence": sequence, "dot_bracket": structure}
        return [
            ("forna", f"{FORNA}?{urlencode(forna)}"),
            ("RNAcanvas", f"{RNACANVAS}?{urlencode(canvas)}"),
            *links,
        ]

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


def add_pictures(
    entries: Iterable[ReportEntry],
    limit: int,
    colouring: ReportColouring = "base",
    reader: PictureReader | None = None,
) -> list[ReportEntry]:
    """The entries, with pictures of the first `limit`; `reader` reads matrices of probabilities.

    Raises:
        DependencyError: ViennaRNA or matplotlib is not installed.
    """
    drawn = []
    for number, entry in enumerate(entries, start=1):
        if number <= limit:
            matrix = None if reader is None else reader(number - 1, entry.record)
            pictures = draw_pictures(
                entry.prediction, entry.reference, f"p{number}", colouring, matrix
            )
            drawn.append(replace(entry, pictures=tuple(pictures)))
        else:
            drawn.append(entry)
    return drawn


def _is_rfam(name: str) -> bool:
    """Whether the name of a family is an accession of Rfam."""
    return name.startswith("RF") and name[2:].isdecimal() and name.isascii()
