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
_MAX_SHORT_LENGTH = 96  # bases; PyTorch's fp32 kernel is faster for longer rows
_SHORT_SCORES = 2**19  # attention scores of short rows that are computed at once
_MIN_TOTAL, _MAX_TOTAL = 1e-30, 1e30  # sums of exponentials that have their full precision


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

    `may_attend` (N, 1, 1, L) marks the keys that are not padding. On a CPU, attention is computed
    by matrix products in half precision, since PyTorch's kernel converts its inputs and takes 2.5
    times as long, and for short rows in prediction.
    """
    count, heads, length, _ = query.shape
    if length <= _MAX_SHORT_LENGTH and _uses_onednn(query):
        found = _attend_short(query, key, value, may_attend, scale)
        if found is not None:
            return found
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


def _attend_short(
    query: Tensor, key: Tensor, value: Tensor, may_attend: Tensor | None, scale: float | None
) -> Tensor | None:
    """See `attend`; for many short rows. None if an exponential is too large or too small.

    The heads of a row need not be contiguous. Exponentials are powers of two, which PyTorch
    computes three times as fast as those of e. The largest score is not subtracted; the sums show
    whether that was necessary.
    """
    count, heads, length, size = query.shape
    to_log2 = (size**-0.5 if scale is None else scale) * math.log2(math.e)
    mixed = query.new_empty(count, length, heads, size)
    step = min(max(_SHORT_SCORES // length**2, 1), count)
    buffer = query.new_empty(step, length, length)
    is_real = None if may_attend is None else may_attend[:, 0].to(query.dtype)
    for start in range(0, count, step):
        rows = slice(start, min(start + step, count))
        weights = buffer[: rows.stop - start]
        for head in range(heads):
            keys = key[rows, head].mT
            torch.baddbmm(weights, query[rows, head], keys, beta=0, alpha=to_log2, out=weights)
            weights.exp2_()
            if is_real is not None:
                weights.mul_(is_real[rows])
            total = weights.sum(-1, keepdim=True)
            least, most = total.aminmax()
            if not (least > _MIN_TOTAL and most < _MAX_TOTAL):  # also if a sum is not a number
                return None
            torch.div(torch.bmm(weights, value[rows, head]), total, out=mixed[rows, :, head])
    return mixed.transpose(1, 2)


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
