"""3x3 convolutions with fewer multiplications: Winograd's F(4x4, 3x3) and F(2x2, 3x3).

Lavin and Gray 2016, arXiv 1509.09308. A tile of four by four outputs is made from six by six
inputs, one of two by two from four by four: inputs and filter are transformed, so that the
convolution becomes 36 or 16 products of matrices over all tiles, a quarter or 4/9 of the
multiplications. Pays where there are many channels. Large tiles cost about one digit of
precision, which half precision does not have: there the small ones are used.

Shapes
    B  batch   R  rows of output   S  columns   C  channels in   O  channels out
    N  outputs of a tile, each way         M  inputs of a tile, each way: N + 2
    T  tiles that are worked on at once
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rnaformer_cli.model.products import linear

_AT_ONCE = 256  # tiles: enough for fast products, few enough to stay in a cache
_BIAS_PRODUCT = (1, 1)  # the product that every output takes in once


class Scratch(threading.local):
    """Memory that is used again and again, by name; each thread has its own.

    Large tensors come from the system and go back to it, page by page, which takes a tenth of the
    time of wide networks. What stood in a tensor is lost when its name is taken again.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Tensor] = {}

    def take(self, name: str, like: Tensor, *shape: int) -> Tensor:
        """A tensor of that shape with any values."""
        size = math.prod(shape)
        kept = self._kept.get(name)
        if kept is None or kept.numel() < size or kept.dtype != like.dtype:
            self._kept[name] = kept = like.new_empty(size)
        return kept[:size].view(shape)

    def clear(self) -> None:
        """Give all of it back."""
        self._kept.clear()


# One direction of a transform: parts of equal shape, in and out, and two to work in.
_Transform = Callable[[Sequence[Tensor], Sequence[Tensor], Tensor, Tensor], None]


def _input_transform_f4(
    seen: Sequence[Tensor], to: Sequence[Tensor], one: Tensor, two: Tensor
) -> None:
    """Inputs of a tile of four, transformed.

    4  0 -5  0  1  0
    0 -4 -4  1  1  0
    0  4 -4 -1  1  0
    0 -2 -1  2  1  0
    0  2 -1 -2  1  0
    0  4  0 -5  0  1
    """
    torch.add(seen[4], seen[2], alpha=-4, out=one)
    torch.add(seen[3], seen[1], alpha=-4, out=two)
    torch.add(one, two, out=to[1])
    torch.sub(one, two, out=to[2])
    torch.sub(seen[4], seen[2], out=one)
    torch.sub(seen[3], seen[1], out=two)
    torch.add(one, two, alpha=2, out=to[3])
    torch.add(one, two, alpha=-2, out=to[4])
    torch.add(seen[4], seen[2], alpha=-5, out=one)
    torch.add(one, seen[0], alpha=4, out=to[0])
    torch.add(seen[5], seen[3], alpha=-5, out=one)
    torch.add(one, seen[1], alpha=4, out=to[5])


def _output_transform_f4(
    made: Sequence[Tensor], to: Sequence[Tensor], one: Tensor, two: Tensor
) -> None:
    """Outputs of a tile of four from the products.

    1  1  1  1  1  0
    0  1 -1  2 -2  0
    0  1  1  4  4  0
    0  1 -1  8 -8  1
    """
    torch.add(made[1], made[2], out=one)
    torch.add(made[3], made[4], out=two)
    torch.add(one, two, out=to[0])
    to[0].add_(made[0])
    torch.add(one, two, alpha=4, out=to[2])
    torch.sub(made[1], made[2], out=one)
    torch.sub(made[3], made[4], out=two)
    torch.add(one, two, alpha=2, out=to[1])
    torch.add(one, two, alpha=8, out=to[3])
    to[3].add_(made[5])


def _input_transform_f2(seen: Sequence[Tensor], to: Sequence[Tensor], *_: Tensor) -> None:
    """Inputs of a tile of two, transformed.

    1  0 -1  0
    0  1  1  0
    0 -1  1  0
    0  1  0 -1
    """
    torch.sub(seen[0], seen[2], out=to[0])
    torch.add(seen[1], seen[2], out=to[1])
    torch.sub(seen[2], seen[1], out=to[2])
    torch.sub(seen[1], seen[3], out=to[3])


def _output_transform_f2(
    made: Sequence[Tensor], to: Sequence[Tensor], one: Tensor, _: Tensor
) -> None:
    """Outputs of a tile of two from the products.

    1  1  1  0
    0  1 -1 -1
    """
    torch.add(made[0], made[1], out=one)
    torch.add(one, made[2], out=to[0])
    torch.sub(made[1], made[2], out=one)
    torch.sub(one, made[3], out=to[1])


@dataclass(frozen=True, slots=True)
class _Tiling:
    tile: int  # N
    filters: tuple[tuple[float, ...], ...]  # (M, 3)
    see: _Transform
    make: _Transform

    @property
    def reach(self) -> int:
        return self.tile + 2  # M


_F4 = _Tiling(
    4,
    (
        (1 / 4, 0.0, 0.0),
        (-1 / 6, -1 / 6, -1 / 6),
        (-1 / 6, 1 / 6, -1 / 6),
        (1 / 24, 1 / 12, 1 / 6),
        (1 / 24, -1 / 12, 1 / 6),
        (0.0, 0.0, 1.0),
    ),
    _input_transform_f4,
    _output_transform_f4,
)
_SMALL = _Tiling(
    2,
    ((1.0, 0.0, 0.0), (1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (0.0, 0.0, 1.0)),
    _input_transform_f2,
    _output_transform_f2,
)


def transform_filter(weight: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """(O, C, 3, 3) -> (36, O, C), in half precision (16, O, C)."""
    tiling = _F4 if dtype == torch.float32 else _SMALL
    factor = weight.new_tensor(tiling.filters)
    turned = torch.einsum("ai,bj,ocij->aboc", factor, factor, weight)
    return turned.flatten(0, 1).to(dtype)


def scratch_size(side: int, channels: int) -> int:
    """How many numbers are held for the tiles that are worked on at once, at the most."""
    tiles = max(_AT_ONCE, -(-side // _F4.tile))
    seen, across, down, others = 36, 24, 24, 20
    return tiles * channels * (seen + across + down + others)


@torch.no_grad()
def convolve(
    rows: Tensor,
    filters: Tensor,
    bias: Tensor | None,
    scratch: Scratch | None = None,
    name: str | None = None,
) -> Tensor:
    """rows (B, R + 2, S, C), a transformed filter -> (B, R, S, O) of the filter's type.

    Columns beyond the sides count as zero. With a name, what is returned lives in `scratch`.
    """
    tiling = _F4 if len(filters) == _F4.reach**2 else _SMALL
    scratch = Scratch() if scratch is None else scratch
    tile, reach = tiling.tile, tiling.reach
    batch, height, width, _ = rows.shape
    height -= 2
    down, across = -(-height // tile), -(-width // tile)
    padded = _padded(rows, (tile * down, tile * across), filters, scratch)
    outputs = filters.shape[1]
    shape = (batch, down, tile, across, tile, outputs)
    out = filters.new_empty(shape) if name is None else scratch.take(name, filters, *shape)
    filters = filters.view(reach, reach, *filters.shape[1:])
    if bias is not None:
        bias = bias.to(filters.dtype)
    step = max(_AT_ONCE // (batch * across), 1)
    for top in range(0, down, step):
        count = min(step, down - top)
        seen = _transform_inputs(tiling, padded[:, tile * top :], count, across, scratch)
        to = out[:, top : top + count].permute(2, 4, 0, 1, 3, 5)  # (N, N, B, lines, across, O)
        _make(tiling, seen, filters, bias, to, scratch)
    return out.view(batch, tile * down, tile * across, outputs)[:, :height, :width]


def _padded(rows: Tensor, shape: tuple[int, int], like: Tensor, scratch: Scratch) -> Tensor:
    """Rows with zeros beside and below, for outputs of that shape: (B, R + 2, S + 2, C) or more."""
    batch, height, width, channels = rows.shape
    padded = scratch.take("padded", like, batch, shape[0] + 2, shape[1] + 2, channels)
    padded[:, height:] = 0
    padded[:, :, 0] = 0
    padded[:, :, 1 + width :] = 0
    padded[:, :height, 1 : 1 + width] = rows
    return padded


def _transform_inputs(
    tiling: _Tiling, padded: Tensor, count: int, across: int, scratch: Scratch
) -> Tensor:
    """Padded rows -> the transformed tiles of `count` lines, (M, M, T, C)."""
    batch, _, width, channels = padded.shape
    tile, reach = tiling.tile, tiling.reach
    lines = [padded[:, start:][:, : tile * count : tile] for start in range(reach)]
    down = scratch.take("down", padded, reach, batch, count, width, channels)
    one = scratch.take("one", padded, batch, count, width, channels)
    two = scratch.take("two", padded, batch, count, width, channels)
    tiling.see(lines, list(down), one, two)
    columns = [down[..., start:, :][..., : tile * across : tile, :] for start in range(reach)]
    shape = (reach, batch, count, across, channels)
    seen = scratch.take("seen", padded, reach, *shape)
    one, two = scratch.take("one", padded, *shape), scratch.take("two", padded, *shape)
    tiling.see(columns, [seen[:, place] for place in range(reach)], one, two)
    return seen.flatten(2, 4)


def _make(
    tiling: _Tiling,
    seen: Tensor,
    filters: Tensor,
    bias: Tensor | None,
    to: Tensor,
    scratch: Scratch,
) -> None:
    """Transformed tiles (M, M, T, C) and filters (M, M, O, C) -> outputs (N, N, ..., O)."""
    tile, reach, outputs = tiling.tile, tiling.reach, to.shape[-1]
    shape = (seen.shape[2], outputs)
    across = scratch.take("across", seen, reach, tile, *shape)
    one, two = scratch.take("one", seen, *shape), scratch.take("two", seen, *shape)
    for row in range(reach):
        products = [
            linear(tiles, weight, bias if (row, column) == _BIAS_PRODUCT else None)
            for column, (tiles, weight) in enumerate(zip(seen[row], filters[row], strict=True))
        ]
        tiling.make(products, list(across[row]), one, two)
    parts = across.view(reach, *to.shape[1:])
    one, two = scratch.take("one", seen, *to.shape[1:]), scratch.take("two", seen, *to.shape[1:])
    tiling.make(list(parts), list(to), one, two)
