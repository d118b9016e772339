"""Labels that our folding model makes."""

import torch
from factories.datasets import make_record, random_rna

from rnaformer_cli.dataset.folding_labels import label_by_folding
from rnaformer_cli.folding.model import FoldingModel
from rnaformer_cli.prediction.batching import to_tensors


def folding():
    """Only stacks count, and they count much."""
    model = FoldingModel()
    model.stack.fill_(4.0)
    model.multi.fill_(-9.0)
    return model


RECORDS = [make_record(f"r{n}", random_rna(12 + 5 * n % 40, n)) for n in range(1100)]


def test_records_keep_their_order_and_count_as_curated():
    labelled = list(label_by_folding(iter(RECORDS), folding()))
    assert [one.id for one in labelled] == [one.id for one in RECORDS]
    assert {one.source for one in labelled} == {"folding"}
    assert all(one.is_curated and not one.pairs for one in labelled)


def test_a_label_is_the_prediction_of_the_folding_model_for_the_record_alone():
    [*_, labelled] = label_by_folding(RECORDS[:60], folding())
    bases, _ = to_tensors([labelled.sequence])
    alone = folding()(bases)[0]
    target = torch.zeros_like(alone)
    for left, right, value in labelled.probabilities:
        target[left, right] = value
    expected = torch.where(torch.triu(alone, 1) >= 0.01, torch.triu(alone, 1), 0.0)
    assert len(labelled.probabilities) > 3
    torch.testing.assert_close(target, expected, atol=6e-4, rtol=0.0)


def test_a_hairpin_is_found():
    [labelled] = label_by_folding([make_record("h", "GCAGCAAAAAGCUGC")], folding())
    likely = {(left, right) for left, right, value in labelled.probabilities if value > 0.9}
    assert likely == {(n, 14 - n) for n in range(5)}
