"""The Muon optimiser: it orthogonalises the momentum of each matrix before the step.

Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/. Steps have the root mean square of
AdamW's steps (Liu et al. 2025, arXiv 2502.16982).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of x, x³ and x⁵: steep at 0, near 1 elsewhere
_ITERATIONS = 5
_EPS = 1e-7
_MOMENTUM = 0.95
_ADAMW_SIZE = 0.2  # root mean square of an entry of AdamW's steps


class Muon(torch.optim.Optimizer):
    """Muon for weights of at least two dimensions, as matrices (outputs, product of the others).

    PyTorch's Muon iterates in bf16, one matrix at a time. This one iterates in `dtype`, for
    processors without bf16, and processes all matrices of one shape together.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        weight_decay: float,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # no closure is called
        """Take a step on every parameter with a gradient."""
        for group in self.param_groups:
            by_shape: dict[tuple[int, ...], list[nn.Parameter]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[tuple(parameter.shape)].append(parameter)
            for parameters in by_shape.values():
                self._step_together(parameters, group["lr"], group["weight_decay"])

    def _step_together(self, parameters: list[nn.Parameter], lr: float, decay: float) -> None:
        """Take a step on parameters of one shape."""
        updates = torch.stack([self._with_momentum(p).flatten(1) for p in parameters])
        steps = orthogonalise(updates, self._dtype)
        size = _ADAMW_SIZE * math.sqrt(max(updates.shape[1:]))
        for parameter, step in zip(parameters, steps, strict=True):
            parameter.mul_(1.0 - lr * decay)
            parameter.add_(step.view_as(parameter), alpha=-lr * size)

    def _with_momentum(self, parameter: nn.Parameter) -> Tensor:
        """The gradient with Nesterov momentum."""
        assert parameter.grad is not None
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        average: Tensor = state["momentum"]
        average.lerp_(parameter.grad, 1.0 - _MOMENTUM)
        return parameter.grad.lerp(average, _MOMENTUM)


def orthogonalise(matrices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """(N, rows, columns) -> matrices with the same singular vectors and singular values near 1.

    All but the smallest singular values end between about 0.7 and 1.2 (Newton-Schulz iterations,
    computed in `dtype`).
    """
    if matrices.shape[1] > matrices.shape[2]:
        return orthogonalise(matrices.mT, dtype).mT
    a, b, c = _COEFFICIENTS
    norms = matrices.norm(dim=(1, 2), keepdim=True).clamp(min=_EPS)
    iterate: Tensor = (matrices / norms).to(dtype)
    for _ in range(_ITERATIONS):
        gram = iterate @ iterate.mT
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        iterate = torch.baddbmm(iterate, polynomial, iterate, beta=a)
    return iterate.to(matrices.dtype)
