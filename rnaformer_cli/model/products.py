"""Products of matrices by oneDNN, which PyTorch builds in but asks only for half precision.

Its kernels use all that a processor has; those of PyTorch's own choice (MKL) stop at AVX2 on
processors that are not Intel's, and take twice as long there.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Linear(nn.Linear):
    """As torch.nn.Linear, in prediction by oneDNN."""

    def forward(self, input: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return linear(input, self.weight, self.bias)


def linear(values: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """values (..., in), weight (out, in) -> (..., out)."""
    if _is_for_onednn(values):
        found: Tensor = torch.ops.mkldnn._linear_pointwise(values, weight, bias, "none", [], "")
        return found
    return F.linear(values, weight, bias)


def _is_for_onednn(values: Tensor) -> bool:
    return (
        values.device.type == "cpu"
        and values.dtype == torch.float32
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
