"""Evaluation is prediction followed by scoring."""

import pytest
import torch
from factories.datasets import make_hairpin, make_record

from rnaformer_cli.errors import DatasetError, DeviceError
from rnaformer_cli.evaluation.evaluate import EvaluatedRecord, Evaluation, evaluate
from rnaformer_cli.model.network import RNAformer
from rnaformer_cli.prediction.predictor import Options, Predictor, load
from rnaformer_cli.scoring.compare import ScoringRules, compare, score_record
from rnaformer_cli.sequence.record import RnaRecord
from rnaformer_cli.structure.structure import Structure, StructureRecord

RECORDS = [make_hairpin(f"h{n}", 6 + n, n, family=f"RF{n % 2}") for n in range(6)]


@pytest.fixture(scope="module")
def evaluation():
    return evaluate(load(options=Options(keep_scores=True)), "hairpins", RECORDS)


def test_figures_are_those_of_predict_followed_by_score(evaluation):
    predictions = list(load().predict([RnaRecord(r.id, r.sequence) for r in RECORDS]))
    references = [StructureRecord(r.id, r.sequence, r.structure) for r in RECORDS]
    scores, _ = compare([p.structure_record for p in predictions], references)
    assert [one.exact.exact for one in evaluation.records] == [score.exact for score in scores]
    assert [one.confidence for one in evaluation.records] == pytest.approx(
        [prediction.confidence for prediction in predictions], abs=1e-5
    )


def test_perfect_hairpins_are_easy(evaluation):
    assert evaluation.summary().f1 > 0.7
    assert evaluation.canonical_f1 > 0.7
    assert -1.0 <= evaluation.spearman <= 1.0
    assert evaluation.calibration.counts.sum() > 0


def test_groups_by_family_hold_every_record(evaluation):
    groups = dict(evaluation.groups("family"))
    assert {name: summary.records for name, summary in groups.items()} == {"RF0": 3, "RF1": 3}


def test_the_mean_over_families_gives_each_family_the_same_weight():
    def scored(name, family, is_right):
        record = make_hairpin(name, 8, 0, family=family)
        pairs = record.structure if is_right else Structure(len(record), frozenset())
        exact = score_record(
            StructureRecord(name, record.sequence, pairs),
            StructureRecord(name, record.sequence, record.structure),
            ScoringRules(),
        )
        return EvaluatedRecord(record, exact, exact, 0.5)

    parts = [("a", "RF1", True), ("b", "RF1", True), ("c", "RF1", False)]
    parts += [("d", "RF2", False), ("e", None, True), ("f", None, False), ("g", "2", False)]
    found = Evaluation("x", [scored(*part) for part in parts])
    assert found.f1_by_family == pytest.approx((2 / 3 + 0 + 1 + 0 + 0) / 5)


def test_groups_by_length_are_in_order(tiny_network):
    records = [make_record(f"l{n}", "A" * n) for n in (501, 80, 81, 200, 1)]
    found = evaluate(Predictor(tiny_network, "x", Options(keep_scores=True)), "a", records)
    groups = [(name, summary.records) for name, summary in found.groups("length")]
    assert groups == [
        ("1 to 80 nt", 2),
        ("81 to 128 nt", 1),
        ("129 to 200 nt", 1),
        ("over 500 nt", 1),
    ]


class FailingNetwork(RNAformer):
    """Runs out of memory on longer sequences."""

    def pad_to_patches(self, bases, is_base):
        if bases.shape[1] > 20:
            torch.empty(1 << 60)
        return super().pad_to_patches(bases, is_base)


def test_a_record_that_fails_counts_as_zero_and_is_reported(tiny_network):
    predictor = Predictor(FailingNetwork(tiny_network.config), "f", Options(keep_scores=True))
    found = evaluate(predictor, "two", [make_hairpin("long", 12, 1), make_record("short", "AAAA")])
    assert found.failures == [str(DeviceError("not enough memory for 28 bases", record="long"))]
    assert found.records[0].exact.f1 == 0.0
    assert found.summary().missing == 1


def test_an_empty_set_is_refused(tiny_network):
    with pytest.raises(DatasetError, match=r"^no record to evaluate in nothing$"):
        evaluate(Predictor(tiny_network, "x", Options(keep_scores=True)), "nothing", [])
