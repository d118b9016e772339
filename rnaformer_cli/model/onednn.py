"""Matrix products by oneDNN, which PyTorch includes but uses only in half precision.

oneDNN uses all instruction sets of a processor. PyTorch's default (MKL) uses at most AVX2 on
processors that are not from Intel, where it takes twice as long.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_ATTENTION_BYTES = 2**22  # of attention scores computed at once; they fit into a cache
_MAX_LENGTH = 8192  # bases; longer rows would need more than 128 MB for their attention scores
_EXTRA_COLUMNS = 16  # appended to the values: one is used, the others pad a vector register
_MAX_SCORE = 80.0  # a score whose exponential is finite in single precision


class Linear(nn.Linear):
    """torch.nn.Linear, computed by oneDNN in prediction."""

    def forward(self, input: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return linear(input, self.weight, self.bias)


def linear(values: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """values (..., in), weight (out, in) -> (..., out)."""
    if _uses_onednn(values):
        found: Tensor = torch.ops.mkldnn._linear_pointwise(values, weight, bias, "none", [], "")
        return found
    return F.linear(values, weight, bias)


def attend(
    query: Tensor, key: Tensor, value: Tensor, may_attend: Tensor | None, scale: float | None
) -> Tensor:
    """Softmax attention; query, key, value (N, H, L, D) -> (N, H, L, D).

    `may_attend` (N, 1, 1, L) marks the keys that are not padding. In half precision on a CPU,
    attention is computed by matrix products, since PyTorch's kernel converts its inputs and takes
    2.5 times as long.
    """
    count, heads, length, _ = query.shape
    is_half_on_cpu = query.device.type == "cpu" and query.element_size() == 2
    if not is_half_on_cpu or length > _MAX_LENGTH:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=may_attend, scale=scale)
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    if torch.is_grad_enabled():
        attended: Tensor = _Attention.apply(query, key, value, may_attend, scale)  # type: ignore[no-untyped-call]
        return attended
    query, key, value = (part.flatten(0, 1) for part in (query, key, value))
    missing = query.new_zeros(1, 1, 1)
    if may_attend is not None:
        missing = query.new_zeros(may_attend.shape).masked_fill_(~may_attend, -math.inf)
        missing = missing.expand(-1, heads, -1, -1).flatten(0, 1)  # (N · H, 1, L)
    mixed = torch.empty_like(value)
    step = max(_ATTENTION_BYTES // (length**2 * query.element_size()), 1)
    for start in range(0, len(query), step):
        part = slice(start, start + step)
        padding = missing if may_attend is None else missing[part]
        scores = torch.baddbmm(padding, query[part], key[part].mT, alpha=scale)
        torch.bmm(torch.softmax(scores, -1), value[part], out=mixed[part])
    return mixed.view(count, heads, length, -1)


class _Attention(torch.autograd.Function):
    """Softmax attention in training, in half precision, by seven matrix products.

    A column of ones appended to the values gives the sum of each row of weights. Padded keys are
    excluded by zeros in this column and in the values. The backward pass uses the same columns.
    The mean of the keys is subtracted from them, which does not change the softmax and makes the
    mean score of each row zero. Sums of exponentials are then at least one, and no search for the
    largest score is needed.
    """

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, may_attend: Tensor | None, scale: float
    ) -> Tensor:
        """See `attend`."""
        shape = query.shape
        count, heads, length, size = shape
        sequences = (count * heads, length, size)
        values_and_ones = value.new_zeros(count, heads, length, size + _EXTRA_COLUMNS)
        exists = value.new_ones(1, 1, length, 1) if may_attend is None else may_attend.mT.to(value)
        torch.mul(value, exists, out=values_and_ones[..., :size])
        values_and_ones[..., size] = exists[..., 0]
        values_and_ones = values_and_ones.flatten(0, 1)
        mean_key = (key * exists).sum(2, keepdim=True) / exists.sum(2, keepdim=True)
        query, key = (query * scale).reshape(sequences), (key - mean_key).reshape(sequences)
        weights = torch.bmm(query, key.mT).clamp_(max=_MAX_SCORE).exp_()
        mixed = torch.bmm(weights, values_and_ones)
        total = mixed[..., size, None].float()
        found = (mixed[..., :size] / total).to(value.dtype)
        ctx.save_for_backward(query, key, values_and_ones, weights, found, total)
        ctx.scale = scale
        return found.view(shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        """Gradients of query, key and value."""
        query, key, values_and_ones, weights, found, total = ctx.saved_tensors
        shape, size = grad.shape, grad.shape[-1]
        change = torch.zeros_like(values_and_ones)
        change[..., :size] = grad.reshape(found.shape) / total
        change[..., size] = -(change[..., :size] * found).sum(-1)
        scores = torch.bmm(change, values_and_ones.mT).mul_(weights)
        by_value = torch.bmm(weights.mT, change)[..., :size] * values_and_ones[..., size, None]
        by_query = torch.bmm(scores, key).mul_(ctx.scale)
        by_key = torch.bmm(scores.mT, query)
        return by_query.view(shape), by_key.view(shape), by_value.view(shape), None, None


def _uses_onednn(values: Tensor) -> bool:
    return (
        values.device.type == "cpu"
        and values.dtype == torch.float32
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
