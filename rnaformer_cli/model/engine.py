"""The network in prediction: the same function, in place and by strips of rows.

Nothing is kept but the latent matrix and, for recycling, its embedding; everything wider (full
resolution, queries and keys, the transition's hidden channels) exists for one strip at a time. So
memory grows as S² · C with a small factor, and a strip stays in the processor's cache.

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

STRIP_BYTES = 4 * 2**20  # of hidden channels in a strip, so that all of it stays in a cache
WIDE = 256  # channels from which convolutions are faster in Winograd's way
_MIN_WINOGRAD_ROWS = 64  # of a strip of wide convolutions, so that little is computed twice
CONVERGED = 0.01  # largest change of a score between two passes that ends recycling
_FLOAT_BYTES = 4  # bytes
_FOLDING_BYTES_PER_CELL = 360  # bytes for each L·L that the folding model takes at its peak
_FRAGMENTATION = 1.25  # what the allocator takes for what was asked for
_LARGEST_BLOCK = 2**25 - 2**16  # bytes; glibc learns from blocks of up to 32 MB
_MOMENT_NUMBERS = 2**20  # numbers whose mean and variance are taken at once


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

        `features` are what RNAformer.folding_features gave, if it was called before.
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
        """Logits (B, L, L) of each sequence's last pass, and which it was (B,), at most `cycles`.

        A sequence's last pass is the first in which no score has changed by CONVERGED or more.
        """
        real = is_base[:, :, None] & is_base[:, None]
        logits = bases.new_zeros(*real.shape, dtype=torch.float32)
        last = bases.new_zeros(len(bases))
        if features is None:
            features = self.network.folding_features(bases, is_base)
        added = self.network.folding_logits(features)
        passes = self._passes(bases, is_base, cycles, flag, features)
        for number, pair in enumerate(passes, start=1):
            now = (self._symmetric_logits(pair, bases.shape[1]) + added).float()
            change = (now.sigmoid() - logits.sigmoid()).abs_() * real
            moves = last == 0
            logits[moves] = now[moves]
            if number > 1:
                last[moves & (change.amax((1, 2)) < CONVERGED)] = number
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
        """The latent matrix (B, S, S, C) after each pass; always the same tensor."""
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
        """(B, L) -> first latent (B, S, S, C), with full resolution for one strip at a time."""
        network, patch = self.network, self.config.patch
        batch, length = bases.shape
        side = length // patch
        pair = network.read_out.weight.new_empty(batch, side, side, self.config.dim)
        term = network.label_type_term(batch, flag)
        for rows in self._strips(batch, side, self.config.dim * patch**2):
            if network.shrink is None:
                pair[:, rows] = network.full_resolution(bases, features, rows)
            else:
                pair[:, rows] = self._downsample(bases, is_base, features, rows)
            pair[:, rows] += term
        return pair

    def _downsample(
        self, bases: Tensor, is_base: Tensor, features: Tensor | None, rows: slice
    ) -> Tensor:
        """The strip of half resolution from bases 2·start - 1 to 2·stop - 1 of the full one."""
        assert self.network.shrink is not None
        conv = self.network.shrink.conv
        above = slice(max(2 * rows.start - 1, 0), 2 * rows.stop)
        full = self.network.full_resolution(bases, features, above)
        if not is_base.all():
            full = full * (is_base[:, above, None] & is_base[:, None, :])[..., None]
        full = full.permute(0, 3, 1, 2)
        if rows.start == 0:
            full = F.pad(full, (0, 0, 1, 0))
        strip = F.conv2d(full, conv.weight, conv.bias, stride=2, padding=(0, 1))
        return strip.permute(0, 2, 3, 1)

    def _recycle(self, pair: Tensor, embedded: Tensor, is_first: bool) -> None:
        """In place: the embedding plus the normed previous pass, which is zero at first."""
        norm = self.network.recycle_norm
        if norm is None:
            return
        if is_first:
            pair += norm(pair.new_zeros(self.config.dim))
            return
        for rows in self._strips(len(pair), pair.shape[1], self.config.dim):
            pair[:, rows] = embedded[:, rows] + norm(pair[:, rows])

    def _refine(self, pair: Tensor, is_index: Tensor | None) -> None:
        """In place: all blocks and the last norm."""
        for block in self.network.blocks:
            assert isinstance(block, Block)
            self._attend(block.row_attention, pair, is_index)
            self._attend(block.column_attention, pair.transpose(1, 2), is_index)
            if isinstance(block.transition, ConvTransition):
                self._convolve(block.transition, pair, is_index)
            else:
                self._feed_forward(block.transition, pair)
        for rows in self._strips(len(pair), pair.shape[1], self.config.dim):
            pair[:, rows] = self.network.norm(pair[:, rows])

    def _attend(self, attention: Attention, pair: Tensor, is_index: Tensor | None) -> None:
        """In place: rows attend within themselves, so strips do not meet."""
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
        """In place: a strip's result is added when the next strip has read the rows it shares."""
        side, edge = pair.shape[1], self.config.ff_kernel // 2
        sides = matrix_sides(pair, is_index)
        factor, term = norm_scale_and_shift(transition.norm, pair, sides)
        waiting: tuple[slice, Tensor] | None = None
        least = _MIN_WINOGRAD_ROWS if self.config.dim >= WIDE else max(2 * edge, 1)
        for rows in self._strips(len(pair), side, self.config.hidden_dim, least):
            first, last = rows.start - 2 * edge, rows.stop + 2 * edge  # rows that are seen
            reach = slice(max(first, 0), min(last, side))
            normed = pair.new_empty(len(pair), last - first, *pair.shape[2:])
            inside = normed[:, reach.start - first : reach.stop - first]
            torch.addcmul(term, pair[:, reach], factor, out=inside)
            change = self._transition(transition, normed, first, sides)
            if waiting is not None:
                pair[:, waiting[0]] += waiting[1]
            waiting = (rows, change)
        if waiting is not None:
            pair[:, waiting[0]] += waiting[1]

    def _transition(
        self, transition: ConvTransition, normed: Tensor, first: int, sides: list[int]
    ) -> Tensor:
        """Normed rows from `first` on (B, R + 4 edge, S, C) -> the change of R of them."""
        edge = self.config.ff_kernel // 2
        zero_outside(normed, first, sides)
        widened = self._conv_rows(normed, transition.widen, edge, "widened")
        hidden = F.silu(widened, inplace=True)
        zero_outside(hidden, first + edge, sides)  # no convolution sees what is beyond a matrix
        return self._conv_rows(hidden, transition.narrow, edge)

    def _conv_rows(
        self, rows: Tensor, conv: torch.nn.Conv2d, edge: int, name: str | None = None
    ) -> Tensor:
        """A convolution of rows (B, R + 2 edge, S, C) -> (B, R, S, O).

        The next one of the same `name` may overwrite what is returned.
        """
        if self._uses_winograd(conv, rows):
            filters = self._winograd_filter(conv)
            return winograd.convolve(rows, filters, conv.bias, self._scratch, name)
        seen = rows.permute(0, 3, 1, 2)
        return F.conv2d(seen, conv.weight, conv.bias, padding=(0, edge)).permute(0, 2, 3, 1)

    def _uses_winograd(self, conv: torch.nn.Conv2d, rows: Tensor) -> bool:
        """Whether Winograd's way is the faster one."""
        return (
            conv.kernel_size == (3, 3)
            and min(conv.in_channels, conv.out_channels) >= WIDE
            and rows.device.type == "cpu"
        )

    def _winograd_filter(self, conv: torch.nn.Conv2d) -> Tensor:
        """The filter for Winograd's way, in the precision that is asked for."""
        is_half = torch.is_autocast_enabled("cpu")
        dtype = torch.get_autocast_dtype("cpu") if is_half else torch.float32
        if (conv, dtype) not in self._filters:
            self._filters[conv, dtype] = winograd.transform_filter(conv.weight, dtype)
        return self._filters[conv, dtype]

    def _read_out(self, pair: Tensor) -> Tensor:
        """(B, S, S, C) -> directed logits (B, L, L), with L in whole cells."""
        patch, side = self.config.patch, pair.shape[1]
        logits = pair.new_empty(len(pair), patch * side, patch * side)
        for rows in self._strips(len(pair), side, self.config.dim):
            strip = self.network.unpatchify(self.network.read_out(pair[:, rows]))
            logits[:, patch * rows.start : patch * rows.stop] = strip
        return logits

    def _strips(self, batch: int, side: int, channels: int, least: int = 1) -> Iterator[slice]:
        """Cut the rows so that a strip's `channels` take about strip_bytes."""
        row_bytes = batch * side * channels * _FLOAT_BYTES
        height = max(self.strip_bytes // row_bytes, least)
        starts = list(range(0, side, height))
        if len(starts) > 1 and side - starts[-1] < least:
            starts.pop()  # too thin: the strip before takes these rows too
        yield from (slice(a, b) for a, b in zip(starts, [*starts[1:], side], strict=True))


def keep_freed_memory() -> None:
    """Let the process keep up to 64 MB that it frees, so that strips do not come page by page.

    glibc gives freed memory back at once until a large block was freed: it takes that as a sign
    of what the program does and keeps twice as much from then on. Nothing is touched here, so
    nothing is taken. Other allocators are as they were.
    """
    torch.empty(_LARGEST_BLOCK, dtype=torch.uint8)


def estimate_memory(config: ModelConfig, length: int, strip_bytes: int = STRIP_BYTES) -> int:
    """Bytes that one sequence of this length takes at the most, beside the weights."""
    side = -(-length // config.patch)
    kept = side**2 * config.dim * (2 if config.recycling else 1)
    row = side * max(config.hidden_dim, 4 * config.dim)
    strips = 6 * max(strip_bytes, 3 * row * _FLOAT_BYTES)
    if config.ff_kernel == 3 and min(config.dim, config.hidden_dim) >= WIDE:
        rows = min(side, 2 * _MIN_WINOGRAD_ROWS)  # the last strip may have nearly twice the least
        strips += _FLOAT_BYTES * (2 * rows * row + winograd.scratch_size(side, config.hidden_dim))
    network = kept * _FLOAT_BYTES + 4 * length**2 * _FLOAT_BYTES + strips
    folding = _FOLDING_BYTES_PER_CELL * length**2 if config.folding else 0
    return int(_FRAGMENTATION * max(network, folding))


def matrix_sides(pair: Tensor, is_index: Tensor | None) -> list[int]:
    """How many lines of each matrix of (B, S, S, C) are real."""
    if is_index is None:
        return [pair.shape[1]] * len(pair)
    sides: list[int] = is_index.sum(1).tolist()
    return sides


def zero_outside(rows: Tensor, first: int, sides: list[int]) -> None:
    """Zeros, in place, where rows (B, R, S, C) from row `first` on are beyond their matrix."""
    for matrix, side in zip(rows, sides, strict=True):
        matrix[: max(-first, 0)] = 0
        matrix[max(side - first, 0) :] = 0
        matrix[:, side:] = 0


def norm_scale_and_shift(
    norm: MaskedGroupNorm, pair: Tensor, sides: list[int]
) -> tuple[Tensor, Tensor]:
    """The norm of each matrix as a factor and a term for its cells, (B, 1, 1, C) each."""
    found = [_mean_variance(one[:side, :side]) for one, side in zip(pair, sides, strict=True)]
    mean, variance = (
        torch.stack(part).to(pair)[:, None, None, None] for part in zip(*found, strict=True)
    )
    factor = torch.rsqrt(variance + norm.eps).expand(-1, -1, -1, pair.shape[-1])
    if norm.affine:
        factor = factor * norm.weight
        return factor, norm.bias - mean * factor
    return factor, -mean * factor


def _mean_variance(cells: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of all of (R, S, C), () each in float64.

    By way of the moments of each row, which a layer norm gives ten times as fast as var_mean.
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
