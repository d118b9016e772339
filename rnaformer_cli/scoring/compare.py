"""Predictions against references: matched by id, scored record by record."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rnaformer_cli.errors import ScoreError
from rnaformer_cli.scoring.counts import NO_COUNTS, PairCounts, count_pair_sets, count_pairs
from rnaformer_cli.structure.structure import Structure, StructureRecord

_KNOWN = frozenset("ACGU")


@dataclass(frozen=True, slots=True)
class Rules:
    """What counts as a pair and as a match."""

    canonical: bool = False  # leave non-canonical pairs out, on both sides
    tolerance: int = 0  # 0: no second column; n: also score with shifts of up to n


@dataclass(frozen=True, slots=True)
class RecordScore:
    """One reference and what the prediction made of it."""

    id: str
    length: int
    exact: PairCounts
    tolerant: PairCounts | None  # under the tolerance, if one was asked for
    pseudoknot: PairCounts  # pairs that cross another pair of their own structure
    is_missing: bool = False  # no prediction: counts as an empty structure, and every figure is 0

    @property
    def precision(self) -> float:
        """Precision of the exact match; as all figures 0 for a missing prediction."""
        return 0.0 if self.is_missing else self.exact.precision

    @property
    def recall(self) -> float:
        """Recall of the exact match."""
        return 0.0 if self.is_missing else self.exact.recall

    @property
    def f1(self) -> float:
        """F1 of the exact match; 0 for a missing prediction, even of an unpaired RNA."""
        return 0.0 if self.is_missing else self.exact.f1

    @property
    def mcc(self) -> float:
        """Matthews correlation of the exact match."""
        return 0.0 if self.is_missing else self.exact.mcc

    @property
    def tolerant_f1(self) -> float | None:
        """F1 under the tolerance; None if none was asked for."""
        if self.tolerant is None:
            return None
        return 0.0 if self.is_missing else self.tolerant.f1


def compare(
    predictions: Iterable[StructureRecord],
    references: Sequence[StructureRecord],
    rules: Rules | None = None,
) -> tuple[list[RecordScore], list[str]]:
    """Scores in the order of the references; the ids of predictions without one, in their order.

    Records with the same id are matched in their order. A single prediction and a single
    reference belong together whatever their names, since CT and BPSEQ files often have none.

    Raises:
        ScoreError: a prediction and its reference are not the same RNA, or no id is in common.
    """
    found = list(predictions)
    places = match(found, references)
    scores = [
        score_record(None if place is None else found[place], reference, rules or Rules())
        for place, reference in zip(places, references, strict=True)
    ]
    matched = set(places)
    return scores, [one.id for place, one in enumerate(found) if place not in matched]


def match(
    predictions: Sequence[StructureRecord], references: Sequence[StructureRecord]
) -> list[int | None]:
    """For each reference the place of its prediction, or None; how, is told by compare.

    Raises:
        ScoreError: no id is in common.
    """
    if len(predictions) == len(references) == 1:
        return [0]
    waiting: dict[str, deque[int]] = defaultdict(deque)
    for place, prediction in enumerate(predictions):
        waiting[prediction.id].append(place)
    if waiting and references and waiting.keys().isdisjoint(one.id for one in references):
        message = f"no id in common: predictions {_some(waiting)}; references "
        raise ScoreError(message + _some(dict.fromkeys(one.id for one in references)))
    queues = (waiting.get(reference.id) for reference in references)
    return [queue.popleft() if queue else None for queue in queues]


def _some(ids: Iterable[str]) -> str:
    first = list(ids)
    return ", ".join(repr(name) for name in first[:2]) + (", …" if len(first) > 2 else "")


def score_record(
    prediction: StructureRecord | None, reference: StructureRecord, rules: Rules
) -> RecordScore:
    """One prediction, or None where there is none, against its reference.

    Raises:
        ScoreError: they are not the same RNA.
    """
    length = len(reference.sequence)
    if prediction is None:
        structure = Structure(length)
    else:
        check_same_rna(prediction, reference)
        structure = prediction.structure
    truth = reference.structure
    if rules.canonical:
        truth = truth.only_canonical(reference.sequence)
        structure = structure.only_canonical(reference.sequence)
    return RecordScore(
        reference.id,
        length,
        count_pairs(structure, truth),
        count_pairs(structure, truth, rules.tolerance) if rules.tolerance else None,
        count_pair_sets(structure.crossing_pairs(), truth.crossing_pairs(), length),
        is_missing=prediction is None,
    )


def check_same_rna(prediction: StructureRecord, reference: StructureRecord) -> None:
    """Refuse to compare different RNAs; T and U, case, and letters that are no base agree.

    Raises:
        ScoreError: another length, or another base.
    """
    ours, theirs = prediction.sequence, reference.sequence
    if len(ours) != len(theirs):
        message = f"the prediction has {len(ours)} bases, the reference {len(theirs)}"
        raise ScoreError(message, record=reference.id)
    for base, (mine, other) in enumerate(zip(ours, theirs, strict=True), start=1):
        if mine != other and mine in _KNOWN and other in _KNOWN:
            message = f"base {base} is {mine} in the prediction, {other} in the reference"
            raise ScoreError(message, record=reference.id)


def pooled(scores: Iterable[PairCounts]) -> PairCounts:
    """All records as one structure."""
    return sum(scores, NO_COUNTS)
