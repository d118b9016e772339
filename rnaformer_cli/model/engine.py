"""The network in prediction: the same function, computed in place and by strips of rows.

Only the latent matrix and, for recycling, its embedding are stored. Wider tensors (the embedding at
full resolution, queries and keys, hidden channels of the transition) exist for one strip at a time.
Memory therefore grows as S² · C with a small factor, and a strip fits into the processor's cache.

Shapes are those of network.py; R is the number of rows of a strip.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from rnaformer_cli.model import winograd
from rnaformer_cli.model.config import ModelConfig
from rnaformer_cli.model.network import (
    Attention,
    Block,
    ConvTransition,
    LinearTransition,
    MaskedGroupNorm,
    RNAformer,
)

STRIP_BYTES = 4 * 2**20  # of hidden channels in a strip, which then fits into a cache
WINOGRAD_MIN_CHANNELS = 256  # minimum channels for which Winograd convolutions are faster
_MIN_WINOGRAD_ROWS = 64  # of a strip of wide convolutions; limits repeated work at its edges
CONVERGED = 0.01  # recycling ends if no score changes by this much between two passes
_FLOAT_BYTES = 4
_FOLDING_BYTES_PER_CELL = 360  # peak memory of the folding model for each of L·L cells
_FRAGMENTATION = 1.25  # memory taken by the allocator over memory requested
_LARGEST_BLOCK = 2**25 - 2**16  # bytes; glibc adapts its thresholds to blocks of up to 32 MB
_MOMENT_NUMBERS = 2**20  # numbers in a call that computes means and variances


class Engine:
    """Runs a network without gradient; a strip holds about `strip_bytes` of hidden channels."""

    def __init__(self, network: RNAformer, strip_bytes: int = STRIP_BYTES) -> None:
        self.network = network
        self.config = network.config
        self.strip_bytes = strip_bytes
        self._filters: dict[tuple[torch.nn.Conv2d, torch.dtype], Tensor] = {}
        self._scratch = winograd.Scratch()
        keep_freed_memory()

    @torch.inference_mode()
    def logits(
        self,
        bases: Tensor,
        is_base: Tensor,
        cycles: int | None = None,
        flag: Tensor | None = None,
        features: Tensor | None = None,
    ) -> Tensor:
        """bases, is_base (B, L) -> symmetric pair logits (B, L, L), as RNAformer.forward.

        `features` are the result of RNAformer.folding_features, computed here by default.
        """
        length = bases.shape[1]
        passes = cycles or self.config.cycles
        if features is None:
            features = self.network.folding_features(bases, is_base)
        *_, pair = self._passes(bases, is_base, passes, flag, features)
        return self._symmetric_logits(pair, length) + self.network.folding_logits(features)

    @torch.inference_mode()
    def converged_logits(
        self,
        bases: Tensor,
        is_base: Tensor,
        cycles: int,
        flag: Tensor | None = None,
        features: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, L, L) of the last pass of each sequence, and the number of passes (B,).

        The last pass of a sequence is the first in which no score changes by CONVERGED or more, or
        number `cycles`.
        """
        is_cell = is_base[:, :, None] & is_base[:, None]
        logits = bases.new_zeros(*is_cell.shape, dtype=torch.float32)
        last = bases.new_zeros(len(bases))
        if features is None:
            features = self.network.folding_features(bases, is_base)
        added = self.network.folding_logits(features)
        passes = self._passes(bases, is_base, cycles, flag, features)
        for number, pair in enumerate(passes, start=1):
            current = (self._symmetric_logits(pair, bases.shape[1]) + added).float()
            change = (current.sigmoid() - logits.sigmoid()).abs_() * is_cell
            is_active = last == 0
            logits[is_active] = current[is_active]
            if number > 1:
                last[is_active & (change.amax((1, 2)) < CONVERGED)] = number
            if last.all():
                break
        return logits, torch.where(last > 0, last, cycles)

    def _passes(
        self,
        bases: Tensor,
        is_base: Tensor,
        cycles: int,
        flag: Tensor | None,
        features: Tensor | None,
    ) -> Iterator[Tensor]:
        """Yield the latent matrix (B, S, S, C) after each pass; it is the same tensor each time."""
        length = bases.shape[1]
        bases, is_base, is_index = self.network.pad_to_patches(bases, is_base)
        rest = bases.shape[1] - length
        if features is not None and rest:
            features = F.pad(features, (0, 0, 0, rest, 0, rest))
        embedded = self._embed(bases, is_base, flag, features)
        pair = embedded if cycles == 1 else embedded.clone()
        try:
            for number in range(cycles):
                self._recycle(pair, embedded, is_first=number == 0)
                self._refine(pair, is_index)
                yield pair
        finally:
            self._scratch.clear()

    def _symmetric_logits(self, pair: Tensor, length: int) -> Tensor:
        directed = self._read_out(pair)[:, :length, :length]
        return (directed + directed.transpose(1, 2)).mul_(0.5)

    def _embed(
        self, bases: Tensor, is_base: Tensor, flag: Tensor | None, features: Tensor | None
    ) -> Tensor:
        """(B, L) -> embedded pair matrix (B, S, S, C), at full resolution one strip at a time."""
        network, patch = self.network, self.config.patch
        batch, length = bases.shape
        side = length // patch
        pair = network.read_out.weight.new_empty(batch, side, side, self.config.dim)
        offset = network.label_type_term(batch, flag)
        for rows in self._strips(batch, side, self.config.dim * patch**2):
            if network.shrink is None:
                pair[:, rows] = network.embed_pairs(bases, features, rows)
            else:
                pair[:, rows] = self._downsample(bases, is_base, features, rows)
            pair[:, rows] += offset
        return pair

    def _downsample(
        self, bases: Tensor, is_base: Tensor, features: Tensor | None, rows: slice
    ) -> Tensor:
        """A strip at half resolution, from rows 2·start - 1 to 2·stop - 1 at full resolution."""
        assert self.network.shrink is not None
        conv = self.network.shrink.conv
        above = slice(max(2 * rows.start - 1, 0), 2 * rows.stop)
        full = self.network.embed_pairs(bases, features, above)
        if not is_base.all():
            full = full * (is_base[:, above, None] & is_base[:, None, :])[..., None]
        full = full.permute(0, 3, 1, 2)
        if rows.start == 0:
            full = F.pad(full, (0, 0, 1, 0))
        strip = F.conv2d(full, conv.weight, conv.bias, stride=2, padding=(0, 1))
        return strip.permute(0, 2, 3, 1)

    def _recycle(self, pair: Tensor, embedded: Tensor, is_first: bool) -> None:
        """Set `pair` to the embedding plus the norm of the previous pass (zero at first)."""
        norm = self.network.recycle_norm
        if norm is None:
            return
        if is_first:
            pair += norm(pair.new_zeros(self.config.dim))
            return
        for rows in self._strips(len(pair), pair.shape[1], self.config.dim):
            pair[:, rows] = embedded[:, rows] + norm(pair[:, rows])

    def _refine(self, pair: Tensor, is_index: Tensor | None) -> None:
        """Apply all blocks and the last norm, in place."""
        for block in self.network.blocks:
            assert isinstance(block, Block)
            if block.row_attention is not None:
                self._attend(block.row_attention, pair, is_index)
            if block.column_attention is not None:
                self._attend(block.column_attention, pair.transpose(1, 2), is_index)
            if isinstance(block.transition, ConvTransition):
                self._convolve(block.transition, pair, is_index)
            else:
                self._feed_forward(block.transition, pair)
        for rows in self._strips(len(pair), pair.shape[1], self.config.dim):
            pair[:, rows] = self.network.norm(pair[:, rows])

    def _attend(self, attention: Attention, pair: Tensor, is_index: Tensor | None) -> None:
        """Add attention, in place. Rows attend within themselves, so strips are independent."""
        side = pair.shape[1]
        if self.config.attention == "full":
            pair += attention(pair, is_index)
            return
        for rows in self._strips(len(pair), side, 4 * self.config.dim):
            pair[:, rows] += attention(pair[:, rows], is_index, rows.start)

    def _feed_forward(self, transition: LinearTransition, pair: Tensor) -> None:
        for rows in self._strips(len(pair), pair.shape[1], self.config.hidden_dim):
            pair[:, rows] += transition(pair[:, rows], None)

    def _convolve(self, transition: ConvTransition, pair: Tensor, is_index: Tensor | None) -> None:
        """Add the transition, in place.

        Strips overlap: the result of a strip is added after the next strip has read its rows.
        """
        side, edge = pair.shape[1], self.config.ff_kernel // 2
        sides = matrix_sides(pair, is_index)
        factor, offset = norm_scale_and_shift(transition.norm, pair, sides)
        pending: tuple[slice, Tensor] | None = None
        min_rows = (
            _MIN_WINOGRAD_ROWS if self.config.dim >= WINOGRAD_MIN_CHANNELS else max(2 * edge, 1)
        )
        for rows in self._strips(len(pair), side, self.config.hidden_dim, min_rows):
            first, last = rows.start - 2 * edge, rows.stop + 2 * edge  # input rows
            inputs = slice(max(first, 0), min(last, side))
            normed = pair.new_empty(len(pair), last - first, *pair.shape[2:])
            inside = normed[:, inputs.start - first : inputs.stop - first]
            torch.addcmul(offset, pair[:, inputs], factor, out=inside)
            change = self._transition(transition, normed, first, sides)
            if pending is not None:
                pair[:, pending[0]] += pending[1]
            pending = (rows, change)
        if pending is not None:
            pair[:, pending[0]] += pending[1]

    def _transition(
        self, transition: ConvTransition, normed: Tensor, first: int, sides: list[int]
    ) -> Tensor:
        """Normed rows (B, R + 4 edge, S, C) from row `first` on -> the transition of R rows."""
        edge = self.config.ff_kernel // 2
        zero_outside(normed, first, sides)
        widened = self._conv_rows(normed, transition.widen, edge, "widened")
        hidden = F.silu(widened, inplace=True)
        zero_outside(hidden, first + edge, sides)  # padding must not enter the next convolution
        return self._conv_rows(hidden, transition.narrow, edge)

    def _conv_rows(
        self, rows: Tensor, conv: torch.nn.Conv2d, edge: int, name: str | None = None
    ) -> Tensor:
        """A convolution of rows (B, R + 2 edge, S, C) -> (B, R, S, O).

        The next convolution with the same `name` may overwrite the result.
        """
        if self._uses_winograd(conv, rows):
            filters = self._winograd_filter(conv)
            return winograd.convolve(rows, filters, conv.bias, self._scratch, name)
        channels_first = rows.permute(0, 3, 1, 2)
        return F.conv2d(channels_first, conv.weight, conv.bias, padding=(0, edge)).permute(
            0, 2, 3, 1
        )

    def _uses_winograd(self, conv: torch.nn.Conv2d, rows: Tensor) -> bool:
        """Whether Winograd convolution is faster."""
        return (
            conv.kernel_size == (3, 3)
            and min(conv.in_channels, conv.out_channels) >= WINOGRAD_MIN_CHANNELS
            and rows.device.type == "cpu"
        )

    def _winograd_filter(self, conv: torch.nn.Conv2d) -> Tensor:
        """The transformed filter in the precision of autocast; transformed once and cached."""
        is_half = torch.is_autocast_enabled("cpu")
        dtype = torch.get_autocast_dtype("cpu") if is_half else torch.float32
        if (conv, dtype) not in self._filters:
            self._filters[conv, dtype] = winograd.transform_filter(conv.weight, dtype)
        return self._filters[conv, dtype]

    def _read_out(self, pair: Tensor) -> Tensor:
        """(B, S, S, C) -> directed logits (B, L, L), where L is S · patch."""
        patch, side = self.config.patch, pair.shape[1]
        logits = pair.new_empty(len(pair), patch * side, patch * side)
        for rows in self._strips(len(pair), side, self.config.dim):
            strip = self.network.unpatchify(self.network.read_out(pair[:, rows]))
            logits[:, patch * rows.start : patch * rows.stop] = strip
        return logits

    def _strips(self, batch: int, side: int, channels: int, min_rows: int = 1) -> Iterator[slice]:
        """Yield strips of at least `min_rows` rows whose `channels` take about strip_bytes."""
        row_bytes = batch * side * channels * _FLOAT_BYTES
        height = max(self.strip_bytes // row_bytes, min_rows)
        starts = list(range(0, side, height))
        if len(starts) > 1 and side - starts[-1] < min_rows:
            starts.pop()  # too few rows: they are added to the previous strip
        yield from (slice(a, b) for a, b in zip(starts, [*starts[1:], side], strict=True))


def keep_freed_memory() -> None:
    """Let glibc keep up to 64 MB of freed memory. Strips then reuse its pages.

    glibc returns large freed blocks to the system at once, until a block of this size is freed:
    then it raises its threshold to that size and keeps twice as much (M_MMAP_THRESHOLD). The block
    is never written, so that it takes no memory. Other allocators are not affected.
    """
    torch.empty(_LARGEST_BLOCK, dtype=torch.uint8)


def estimate_memory(config: ModelConfig, length: int, strip_bytes: int = STRIP_BYTES) -> int:
    """The maximum memory in bytes for one sequence of `length` bases, without the weights."""
    side = -(-length // config.patch)
    kept = side**2 * config.dim * (2 if config.recycling else 1)
    row = side * max(config.hidden_dim, 4 * config.dim)
    strips = 6 * max(strip_bytes, 3 * row * _FLOAT_BYTES)
    if config.ff_kernel == 3 and min(config.dim, config.hidden_dim) >= WINOGRAD_MIN_CHANNELS:
        rows = min(side, 2 * _MIN_WINOGRAD_ROWS)  # the last strip has nearly twice the minimum
        strips += _FLOAT_BYTES * (2 * rows * row + winograd.scratch_size(side, config.hidden_dim))
    network = kept * _FLOAT_BYTES + 4 * length**2 * _FLOAT_BYTES + strips
    folding = _FOLDING_BYTES_PER_CELL * length**2 if config.folding else 0
    return int(_FRAGMENTATION * max(network, folding))


def matrix_sides(pair: Tensor, is_index: Tensor | None) -> list[int]:
    """The number of real rows of each matrix of (B, S, S, C)."""
    if is_index is None:
        return [pair.shape[1]] * len(pair)
    sides: list[int] = is_index.sum(1).tolist()
    return sides


def zero_outside(rows: Tensor, first: int, sides: list[int]) -> None:
    """Set cells outside of each matrix to zero, in place; rows (B, R, S, C) begin at `first`."""
    for matrix, side in zip(rows, sides, strict=True):
        matrix[: max(-first, 0)] = 0
        matrix[max(side - first, 0) :] = 0
        matrix[:, side:] = 0


def norm_scale_and_shift(
    norm: MaskedGroupNorm, pair: Tensor, sides: list[int]
) -> tuple[Tensor, Tensor]:
    """The norm of each matrix as factor · x + offset; factor and offset are (B, 1, 1, C)."""
    moments = [_mean_variance(one[:side, :side]) for one, side in zip(pair, sides, strict=True)]
    mean, variance = (
        torch.stack(part).to(pair)[:, None, None, None] for part in zip(*moments, strict=True)
    )
    factor = torch.rsqrt(variance + norm.eps).expand(-1, -1, -1, pair.shape[-1])
    if norm.affine:
        factor = factor * norm.weight
        return factor, norm.bias - mean * factor
    return factor, -mean * factor


def _mean_variance(cells: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance over all of (R, S, C), scalars in float64.

    They are computed from the moments of each row, which layer_norm gives ten times as fast as
    var_mean.
    """
    rows = max(_MOMENT_NUMBERS // cells[0].numel(), 1)
    shape, eps = cells.shape[1:], 1e-12
    parts = [
        torch.native_layer_norm(cells[row : row + rows], shape, None, None, eps)
        for row in range(0, len(cells), rows)
    ]
    means = torch.cat([mean.flatten() for _, mean, _ in parts]).to("cpu", torch.float64)
    factors = torch.cat([factor.flatten() for _, _, factor in parts]).to("cpu", torch.float64)
    mean = means.mean()
    return mean, (factors**-2 - eps).mean() + (means - mean).square().mean()
