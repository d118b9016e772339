"""A predictor on labelled records: every figure that we report, from one pass over them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.errors import DatasetError, DeviceError
from rnaformer_cli.evaluation.calibration import Calibration, rank_correlation
from rnaformer_cli.prediction.predictor import Prediction
from rnaformer_cli.scoring.compare import RecordScore, Rules, score_record
from rnaformer_cli.scoring.summary import Summary, summarise
from rnaformer_cli.sequence.record import RnaRecord
from rnaformer_cli.structure.structure import Structure, StructureRecord

By = Literal["length", "family"]
LENGTHS = (80, 128, 200, 300, 500)  # upper ends of the groups by length


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One record: what the prediction reached, under each rule."""

    record: LabelledRecord
    exact: RecordScore  # with the ±1 column
    canonical: RecordScore  # non-canonical pairs left out on both sides
    confidence: float


@dataclass(slots=True)
class Evaluation:
    """A data set that was predicted."""

    name: str
    records: list[Evaluated] = field(default_factory=list)
    calibration: Calibration = field(default_factory=Calibration)
    failures: list[str] = field(default_factory=list)  # in sentences; they count as F1 0
    seconds: float = 0.0

    def summary(self, seed: int = 0) -> Summary:
        """Figures of all records."""
        return summarise([one.exact for one in self.records], seed)

    @property
    def canonical_f1(self) -> float:
        """Mean F1 without non-canonical pairs."""
        return float(np.mean([one.canonical.f1 for one in self.records]))

    @property
    def ranking(self) -> float:
        """Spearman's rho between the confidence and the real F1 of records."""
        confidences = [one.confidence for one in self.records]
        return rank_correlation(confidences, [one.exact.f1 for one in self.records])

    def groups(self, by: By) -> Iterator[tuple[str, Summary]]:
        """Figures by length or by family, in order."""
        found: dict[tuple[int, str], list[RecordScore]] = defaultdict(list)
        for one in self.records:
            found[_length_group(one) if by == "length" else _family_group(one)].append(one.exact)
        for (_, name), scores in sorted(found.items()):
            yield name, summarise(scores)


class SupportsPredict(Protocol):
    """A predictor, with or without worker processes."""

    def predict(self, records: Iterable[RnaRecord]) -> Iterator[Prediction | DeviceError]:
        """Yield an answer for each record, in order."""


def evaluate(
    predictor: SupportsPredict,
    name: str,
    records: Sequence[LabelledRecord],
    tell: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Predict and score every record; the predictor has to keep its scores.

    Raises:
        DatasetError: no record.
    """
    if not records:
        raise DatasetError(f"no record to evaluate in {name}")
    evaluation = Evaluation(name)
    started = time.perf_counter()
    inputs = (RnaRecord(record.id, record.sequence) for record in records)
    for record, answer in zip(records, predictor.predict(inputs), strict=True):
        if isinstance(answer, Prediction):
            evaluation.records.append(_score(record, answer.structure, answer.confidence))
            assert answer.scores is not None
            evaluation.calibration.add(answer.scores, _truth(record))
        else:
            evaluation.failures.append(str(answer))
            evaluation.records.append(_score(record, None, 0.0))
        tell()
    evaluation.seconds = time.perf_counter() - started
    return evaluation


def _score(record: LabelledRecord, found: Structure | None, confidence: float) -> Evaluated:
    reference = StructureRecord(record.id, record.sequence, record.structure)
    prediction = None if found is None else StructureRecord(record.id, record.sequence, found)
    return Evaluated(
        record,
        score_record(prediction, reference, Rules(tolerance=1)),
        score_record(prediction, reference, Rules(canonical=True)),
        confidence,
    )


def _truth(record: LabelledRecord) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    truth = np.zeros((len(record), len(record)), dtype=np.bool_)
    for left, right in record.pairs:
        truth[left, right] = truth[right, left] = True
    return truth


def _length_group(one: Evaluated) -> tuple[int, str]:
    length = len(one.record)
    lower = 1
    for place, upper in enumerate(LENGTHS):
        if length <= upper:
            return place, f"{lower} to {upper} nt"
        lower = upper + 1
    return len(LENGTHS), f"over {LENGTHS[-1]} nt"


def _family_group(one: Evaluated) -> tuple[int, str]:
    return 0, one.record.family or "no family"
