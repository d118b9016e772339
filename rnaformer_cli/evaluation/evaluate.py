"""Evaluation of a predictor on labelled records: all reported metrics in one pass."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.errors import DatasetError, DeviceError
from rnaformer_cli.evaluation.calibration import Calibration, spearman_correlation
from rnaformer_cli.prediction.predictor import Prediction
from rnaformer_cli.scoring.compare import RecordScore, ScoringRules, score_record
from rnaformer_cli.scoring.summary import Summary, summarise
from rnaformer_cli.sequence.record import RnaRecord
from rnaformer_cli.structure.structure import Structure, StructureRecord

GroupBy = Literal["length", "family"]
LENGTH_GROUPS = (80, 128, 200, 300, 500)  # upper ends of the groups by length


@dataclass(frozen=True, slots=True)
class EvaluatedRecord:
    """The scores of one record."""

    record: LabelledRecord
    exact: RecordScore  # all pairs; `exact.tolerant` has a tolerance of ±1
    canonical: RecordScore  # without the non-canonical pairs of both structures
    confidence: float


@dataclass(slots=True)
class Evaluation:
    """The scores of a data set."""

    name: str
    records: list[EvaluatedRecord] = field(default_factory=list)
    calibration: Calibration = field(default_factory=Calibration)
    failures: list[str] = field(default_factory=list)  # error messages; these records have F1 0
    seconds: float = 0.0

    def summary(self, seed: int = 0) -> Summary:
        """The metrics over all records."""
        return summarise([evaluated.exact for evaluated in self.records], seed)

    @property
    def canonical_f1(self) -> float:
        """Mean F1 without non-canonical pairs."""
        return float(np.mean([evaluated.canonical.f1 for evaluated in self.records]))

    @property
    def f1_by_family(self) -> float:
        """The mean over families of their mean F1; a record without a family counts as a family."""
        by_family: dict[tuple[bool, str], list[float]] = defaultdict(list)
        for number, evaluated in enumerate(self.records):
            family = evaluated.record.family
            by_family[family is None, family or str(number)].append(evaluated.exact.f1)
        return float(np.mean([np.mean(values) for values in by_family.values()]))

    @property
    def spearman(self) -> float:
        """Spearman's rho of the confidence and the F1 of the records."""
        confidences = [evaluated.confidence for evaluated in self.records]
        return spearman_correlation(confidences, [score.exact.f1 for score in self.records])

    def groups(self, by: GroupBy) -> Iterator[tuple[str, Summary]]:
        """Yield the name and the metrics of each group, by length or by family, in order."""
        groups: dict[tuple[int, str], list[RecordScore]] = defaultdict(list)
        for evaluated in self.records:
            key = _length_group(evaluated) if by == "length" else _family_group(evaluated)
            groups[key].append(evaluated.exact)
        for (_, name), scores in sorted(groups.items()):
            yield name, summarise(scores)


class SupportsPredict(Protocol):
    """A predictor, with or without worker processes."""

    def predict(self, records: Iterable[RnaRecord]) -> Iterator[Prediction | DeviceError]:
        """Yield a prediction or an error for each record, in order."""


def evaluate(
    predictor: SupportsPredict,
    name: str,
    records: Sequence[LabelledRecord],
    on_record: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Predict and score every record; the predictor needs `Options.keep_scores`.

    `on_record` is called after each record.

    Raises:
        DatasetError: no record.
    """
    if not records:
        raise DatasetError(f"no record to evaluate in {name}")
    evaluation = Evaluation(name)
    started = time.perf_counter()
    inputs = (RnaRecord(record.id, record.sequence) for record in records)
    for record, result in zip(records, predictor.predict(inputs), strict=True):
        if isinstance(result, Prediction):
            evaluation.records.append(_score(record, result.structure, result.confidence))
            assert result.scores is not None
            evaluation.calibration.add(result.scores, _pair_matrix(record))
        else:
            evaluation.failures.append(str(result))
            evaluation.records.append(_score(record, None, 0.0))
        on_record()
    evaluation.seconds = time.perf_counter() - started
    return evaluation


def _score(record: LabelledRecord, found: Structure | None, confidence: float) -> EvaluatedRecord:
    reference = StructureRecord(record.id, record.sequence, record.structure)
    prediction = None if found is None else StructureRecord(record.id, record.sequence, found)
    return EvaluatedRecord(
        record,
        score_record(prediction, reference, ScoringRules(tolerance=1)),
        score_record(prediction, reference, ScoringRules(canonical=True)),
        confidence,
    )


def _pair_matrix(record: LabelledRecord) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    is_pair = np.zeros((len(record), len(record)), dtype=np.bool_)
    for left, right in record.pairs:
        is_pair[left, right] = is_pair[right, left] = True
    return is_pair


def _length_group(evaluated: EvaluatedRecord) -> tuple[int, str]:
    length = len(evaluated.record)
    lower = 1
    for index, upper in enumerate(LENGTH_GROUPS):
        if length <= upper:
            return index, f"{lower} to {upper} nt"
        lower = upper + 1
    return len(LENGTH_GROUPS), f"over {LENGTH_GROUPS[-1]} nt"


def _family_group(evaluated: EvaluatedRecord) -> tuple[int, str]:
    return 0, evaluated.record.family_name or "no family"
