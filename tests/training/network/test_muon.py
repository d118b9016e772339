"""Muon: steps with orthogonalised matrices."""

import pytest
import torch
from torch import nn

from rnaformer_cli.training.network.muon import Muon, orthogonalise


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(1, 6, 6), (3, 4, 20), (2, 20, 4)])
def test_singular_values_come_near_one(shape, dtype):
    torch.manual_seed(0)
    matrices = torch.randn(shape) * 7.0
    found = orthogonalise(matrices, dtype)
    assert found.dtype == torch.float32
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_directions_stay():
    torch.manual_seed(1)
    matrix = torch.randn(1, 5, 9)
    left, _, right = torch.linalg.svd(matrix[0], full_matrices=False)
    turned = left.T @ orthogonalise(matrix)[0] @ right.T
    torch.testing.assert_close(turned, turned.diagonal().diag(), atol=1e-4, rtol=0)


def test_a_zero_matrix_stays_zero():
    assert not orthogonalise(torch.zeros(1, 3, 4)).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_step_agrees_with_pytorchs_muon_within_bf16(dtype):
    torch.manual_seed(2)
    start, gradients = torch.randn(12, 30), [torch.randn(12, 30) for _ in range(4)]
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    mine = Muon([ours], lr=0.1, weight_decay=0.01, dtype=dtype)
    other = torch.optim.Muon([theirs], lr=0.1, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
    for gradient in gradients:
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        mine.step()
        other.step()
    change = (theirs - start).norm()
    assert (ours - theirs).norm() < 0.02 * change


def test_parameters_of_one_shape_are_independent():
    torch.manual_seed(3)
    kernels = [nn.Parameter(torch.randn(6, 4, 3, 3)) for _ in range(2)]
    alone = nn.Parameter(kernels[0].detach().clone())
    for kernel in kernels:
        kernel.grad = torch.randn_like(kernel)
    alone.grad = kernels[0].grad.clone()
    Muon(kernels, 0.1, 0.0).step()
    Muon([alone], 0.1, 0.0).step()
    torch.testing.assert_close(kernels[0], alone)


def test_a_parameter_without_gradient_is_left_alone():
    weights = nn.Parameter(torch.ones(2, 3))
    Muon([weights], 0.1, 0.5).step()
    assert torch.equal(weights, torch.ones(2, 3))
