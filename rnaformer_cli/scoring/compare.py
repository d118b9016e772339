"""Comparison of predictions with references, matched by id and scored per record."""

from __future__ import annotations

import contextlib
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rnaformer_cli.errors import ScoreError
from rnaformer_cli.scoring.counts import NO_COUNTS, PairCounts, count_pair_sets, count_pairs
from rnaformer_cli.structure.structure import Structure, StructureRecord

_BASES = frozenset("ACGU")


@dataclass(frozen=True, slots=True)
class ScoringRules:
    """Which pairs are compared and which pairs match."""

    canonical: bool = False  # ignore the non-canonical pairs of both structures
    tolerance: int = 0  # n > 0: also score with one base of a pair shifted by up to n


@dataclass(frozen=True, slots=True)
class RecordScore:
    """The score of one prediction against its reference."""

    id: str
    length: int
    exact: PairCounts
    tolerant: PairCounts | None  # with the tolerance of the rules; None if that is 0
    pseudoknot: PairCounts  # pairs that cross another pair of the same structure
    is_missing: bool = False  # no prediction: counted as an empty structure, all metrics are 0

    @property
    def precision(self) -> float:
        """Precision with exact pairs; 0 for a missing prediction, like all metrics."""
        return 0.0 if self.is_missing else self.exact.precision

    @property
    def recall(self) -> float:
        """Recall with exact pairs."""
        return 0.0 if self.is_missing else self.exact.recall

    @property
    def f1(self) -> float:
        """F1 with exact pairs; 0 for a missing prediction, even of an unpaired RNA."""
        return 0.0 if self.is_missing else self.exact.f1

    @property
    def mcc(self) -> float:
        """Matthews correlation coefficient with exact pairs."""
        return 0.0 if self.is_missing else self.exact.mcc

    @property
    def tolerant_f1(self) -> float | None:
        """F1 with the tolerance of the rules; None if that is 0."""
        if self.tolerant is None:
            return None
        return 0.0 if self.is_missing else self.tolerant.f1


def compare(
    predictions: Iterable[StructureRecord],
    references: Sequence[StructureRecord],
    rules: ScoringRules | None = None,
) -> tuple[list[RecordScore], list[str]]:
    """The scores in the order of the references, and the ids of predictions without a reference.

    Records with the same id are matched in their order. A single prediction is matched with a
    single reference whatever their ids, because CT and BPSEQ files often have none.

    Raises:
        ScoreError: a prediction and its reference are not the same RNA, or no id is in common.
    """
    rules = rules or ScoringRules()
    predicted = list(predictions)
    indices = match_ids(predicted, references)
    scores = [
        score_record(None if index is None else predicted[index], reference, rules)
        for index, reference in zip(indices, references, strict=True)
    ]
    matched = set(indices)
    return scores, [record.id for index, record in enumerate(predicted) if index not in matched]


def f1_of_predictions(
    predictions: Sequence[StructureRecord], references: Sequence[StructureRecord]
) -> list[float | None]:
    """The F1 of each prediction; None without a reference, or with one of another RNA."""
    found: list[float | None] = [None] * len(predictions)
    try:
        indices = match_ids(predictions, references)
    except ScoreError:  # no id in common
        return found
    for index, reference in zip(indices, references, strict=True):
        if index is not None:
            with contextlib.suppress(ScoreError):
                found[index] = score_record(predictions[index], reference, ScoringRules()).f1
    return found


def match_ids(
    predictions: Sequence[StructureRecord], references: Sequence[StructureRecord]
) -> list[int | None]:
    """The index of the prediction of each reference, or None; see compare for the rules.

    Raises:
        ScoreError: no id is in common.
    """
    if len(predictions) == len(references) == 1:
        return [0]
    unmatched: dict[str, deque[int]] = defaultdict(deque)
    for index, prediction in enumerate(predictions):
        unmatched[prediction.id].append(index)
    ids = dict.fromkeys(reference.id for reference in references)
    if unmatched and ids and unmatched.keys().isdisjoint(ids):
        message = f"no id in common: predictions {_format_ids(unmatched)}; "
        raise ScoreError(f"{message}references {_format_ids(ids)}")
    queues = (unmatched.get(reference.id) for reference in references)
    return [queue.popleft() if queue else None for queue in queues]


def _format_ids(ids: Iterable[str]) -> str:
    names = list(ids)
    return ", ".join(repr(name) for name in names[:2]) + (", …" if len(names) > 2 else "")


def score_record(
    prediction: StructureRecord | None, reference: StructureRecord, rules: ScoringRules
) -> RecordScore:
    """Score one prediction against its reference; None is a missing prediction.

    Raises:
        ScoreError: they are not the same RNA.
    """
    length = len(reference.sequence)
    if prediction is None:
        structure = Structure(length)
    else:
        check_same_rna(prediction, reference)
        structure = prediction.structure
    expected = reference.structure
    if rules.canonical:
        expected = expected.only_canonical(reference.sequence)
        structure = structure.only_canonical(reference.sequence)
    return RecordScore(
        reference.id,
        length,
        count_pairs(structure, expected),
        count_pairs(structure, expected, rules.tolerance) if rules.tolerance else None,
        count_pair_sets(structure.crossing_pairs(), expected.crossing_pairs(), length),
        is_missing=prediction is None,
    )


def check_same_rna(prediction: StructureRecord, reference: StructureRecord) -> None:
    """Check that two records are the same RNA; letters other than A C G U match any letter.

    Raises:
        ScoreError: the lengths or a base differ.
    """
    lengths = len(prediction.sequence), len(reference.sequence)
    if lengths[0] != lengths[1]:
        message = f"the prediction has {lengths[0]} bases, the reference {lengths[1]}"
        raise ScoreError(message, record=reference.id)
    letters = zip(prediction.sequence, reference.sequence, strict=True)
    for base, (predicted, expected) in enumerate(letters, start=1):
        if predicted != expected and {predicted, expected} <= _BASES:
            message = f"base {base} is {predicted} in the prediction, {expected} in the reference"
            raise ScoreError(message, record=reference.id)


def pool_counts(counts: Iterable[PairCounts]) -> PairCounts:
    """The sum of the counts, as if all records were one structure."""
    return sum(counts, NO_COUNTS)
