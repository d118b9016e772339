"""Targets and loss, by hand."""

import pytest
import torch
from factories.datasets import make_record

from rnaformer_cli.training.network.targets import sum_loss, to_batch


def test_targets_are_symmetric_and_padded():
    batch = to_batch(
        [
            make_record("a", "GAAAAC", [(0, 5)]),
            make_record("b", "GAAC", source="rnafold", probabilities=((0, 3, 0.75),)),
        ]
    )
    expected = torch.zeros(2, 6, 6)
    expected[0, 0, 5] = expected[0, 5, 0] = 1.0
    expected[1, 0, 3] = expected[1, 3, 0] = 0.75
    assert torch.equal(batch.target, expected)
    assert batch.flag.tolist() == [1.0, 0.0]
    assert batch.is_base.sum(1).tolist() == [6, 4]


def test_a_base_may_have_several_partners():
    batch = to_batch([make_record("a", "GAAAAC", [(0, 5), (0, 4)])])
    assert batch.target[0, 0].tolist() == [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]


def test_the_loss_counts_real_cells_off_the_diagonal():
    batch = to_batch([make_record("a", "GAAAAC", [(0, 5)]), make_record("b", "GAAC")])
    loss = sum_loss(torch.zeros(2, 6, 6), batch, 1.0, seed=0)
    cells = 6 * 5 + 4 * 3
    assert float(loss) == pytest.approx(cells * 0.693147, rel=1e-5)


def test_padding_and_the_diagonal_do_not_enter_the_loss():
    batch = to_batch([make_record("a", "GAAAAC", [(0, 5)]), make_record("b", "GAAC")])
    logits = torch.zeros(2, 6, 6)
    expected = sum_loss(logits, batch, 1.0, seed=0)
    logits[1, 4:] = 9.0
    logits[1, :, 4:] = -9.0
    logits.diagonal(dim1=1, dim2=2).fill_(7.0)
    assert sum_loss(logits, batch, 1.0, seed=0) == expected


def test_a_fraction_of_the_negatives_has_the_same_expectation():
    batch = to_batch([make_record("a", "GAAAACGAAAACGAAAACGAAAAC", [(0, 23)])])
    logits = torch.randn(1, 24, 24, generator=torch.Generator().manual_seed(1))
    logits = (logits + logits.transpose(1, 2)) / 2
    whole = float(sum_loss(logits, batch, 1.0, seed=0))
    parts = [float(sum_loss(logits, batch, 0.25, seed=seed)) for seed in range(300)]
    assert sum(parts) / len(parts) == pytest.approx(whole, rel=0.05)


def test_pairs_are_never_left_out():
    batch = to_batch([make_record("a", "GAAAAC", [(0, 5)])])
    logits = torch.full((1, 6, 6), -20.0)
    for seed in range(5):
        loss = sum_loss(logits, batch, 0.01, seed)
        assert float(loss) == pytest.approx(40.0, rel=1e-3)  # the pair in both triangles


def test_a_seed_gives_the_same_sample():
    batch = to_batch([make_record("a", "GAAAACGAAAAC", [(0, 11)])])
    logits = torch.zeros(1, 12, 12)
    assert sum_loss(logits, batch, 0.5, 4) == sum_loss(logits, batch, 0.5, 4)
