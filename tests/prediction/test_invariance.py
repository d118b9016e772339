"""Predictions do not depend on batches, the order of records, or worker processes."""

import pytest
import torch
from factories.datasets import random_rna

from rnaformer_cli.prediction import batching
from rnaformer_cli.prediction.predictor import Options, load
from rnaformer_cli.sequence.record import RnaRecord

RECORDS = [
    RnaRecord(f"r{number}", "GGGG" * (number % 3) + random_rna(1 + 5 * (number % 9), number))
    for number in range(30)
]


def answers(records, **options):
    predictor = load(options=Options(min_score=0.001, **options), device="cpu")
    return {answer.record.id: answer for answer in predictor.predict(records)}


@pytest.fixture(scope="module")
def base():
    return answers(RECORDS)


def small_window(monkeypatch):
    monkeypatch.setattr(batching, "WINDOW_RECORDS", 4)
    return answers(RECORDS)


def two_threads(_):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        return answers(RECORDS)
    finally:
        torch.set_num_threads(before)


VARIANTS = {
    "one a batch": lambda _: answers(RECORDS, max_cells=1),
    "small batches": lambda _: answers(RECORDS, max_cells=5_000),
    "other order": lambda _: answers(RECORDS[::-1]),
    "parts": lambda _: {**answers(RECORDS[::2]), **answers(RECORDS[1::2])},
    "small window": small_window,
    "two threads": two_threads,
}


@pytest.mark.parametrize("make", VARIANTS.values(), ids=VARIANTS)
def test_structures_are_equal_and_scores_but_for_the_rounding(base, monkeypatch, make):
    found = make(monkeypatch)
    assert found.keys() == base.keys()
    assert any(answer.structure.pairs for answer in base.values())
    for name, answer in base.items():
        assert found[name].structure == answer.structure
        assert found[name].confidence == pytest.approx(answer.confidence, abs=2e-6)
        shared = answer.pair_scores.keys() & found[name].pair_scores.keys()
        for pair in shared:
            assert found[name].pair_scores[pair] == pytest.approx(
                answer.pair_scores[pair], abs=2e-6
            )
        for pair in answer.pair_scores.keys() ^ found[name].pair_scores.keys():
            one = answer.pair_scores.get(pair) or found[name].pair_scores[pair]
            assert one == pytest.approx(0.001, abs=2e-6)  # on the edge of what is kept


def test_the_same_run_gives_the_same_numbers(base):
    again = answers(RECORDS)
    assert [again[name].pair_scores for name in base] == [base[name].pair_scores for name in base]
