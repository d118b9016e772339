"""3x3 convolutions with fewer multiplications: Winograd's F(4x4, 3x3) and F(2x2, 3x3).

Lavin and Gray 2016, arXiv 1509.09308. A tile of 4x4 outputs depends on 6x6 inputs, one of 2x2
outputs on 4x4 inputs. With inputs and filter transformed, the convolution becomes 36 or 16 matrix
products over all tiles, with a quarter or 4/9 of the multiplications. This is faster with many
channels. F(4x4, 3x3) costs about one digit of precision; half precision therefore uses F(2x2, 3x3).

Shapes
    B  batch   R  rows of output   S  columns   C  channels in   O  channels out
    N  outputs of a tile, each way         M  inputs of a tile, each way: N + 2
    T  tiles that are processed at once
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rnaformer_cli.model.onednn import linear

_TILES_AT_ONCE = 256  # large enough for fast products, small enough for a cache
_BIAS_PRODUCT = (1, 1)  # every output contains this product once


class Scratch(threading.local):
    """Reusable memory by name, separate for each thread.

    Otherwise large tensors are allocated from the system and returned page by page, which takes a
    tenth of the time of wide networks. A tensor is overwritten when its name is taken again.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Tensor] = {}

    def take(self, name: str, like: Tensor, *shape: int) -> Tensor:
        """An uninitialised tensor of a shape, with the type of `like`."""
        size = math.prod(shape)
        kept = self._kept.get(name)
        if kept is None or kept.numel() < size or kept.dtype != like.dtype:
            self._kept[name] = kept = like.new_empty(size)
        return kept[:size].view(shape)

    def clear(self) -> None:
        """Free all memory."""
        self._kept.clear()


# A transform along one axis: inputs, outputs, and two scratch tensors, all of one shape.
_Transform = Callable[[Sequence[Tensor], Sequence[Tensor], Tensor, Tensor], None]


def _input_transform_f4(
    inputs: Sequence[Tensor], to: Sequence[Tensor], first: Tensor, second: Tensor
) -> None:
    """The input transform of F(4x4, 3x3).

    4  0 -5  0  1  0
    0 -4 -4  1  1  0
    0  4 -4 -1  1  0
    0 -2 -1  2  1  0
    0  2 -1 -2  1  0
    0  4  0 -5  0  1
    """
    torch.add(inputs[4], inputs[2], alpha=-4, out=first)
    torch.add(inputs[3], inputs[1], alpha=-4, out=second)
    torch.add(first, second, out=to[1])
    torch.sub(first, second, out=to[2])
    torch.sub(inputs[4], inputs[2], out=first)
    torch.sub(inputs[3], inputs[1], out=second)
    torch.add(first, second, alpha=2, out=to[3])
    torch.add(first, second, alpha=-2, out=to[4])
    torch.add(inputs[4], inputs[2], alpha=-5, out=first)
    torch.add(first, inputs[0], alpha=4, out=to[0])
    torch.add(inputs[5], inputs[3], alpha=-5, out=first)
    torch.add(first, inputs[1], alpha=4, out=to[5])


def _output_transform_f4(
    products: Sequence[Tensor], to: Sequence[Tensor], first: Tensor, second: Tensor
) -> None:
    """The output transform of F(4x4, 3x3).

    1  1  1  1  1  0
    0  1 -1  2 -2  0
    0  1  1  4  4  0
    0  1 -1  8 -8  1
    """
    torch.add(products[1], products[2], out=first)
    torch.add(products[3], products[4], out=second)
    torch.add(first, second, out=to[0])
    to[0].add_(products[0])
    torch.add(first, second, alpha=4, out=to[2])
    torch.sub(products[1], products[2], out=first)
    torch.sub(products[3], products[4], out=second)
    torch.add(first, second, alpha=2, out=to[1])
    torch.add(first, second, alpha=8, out=to[3])
    to[3].add_(products[5])


def _input_transform_f2(inputs: Sequence[Tensor], to: Sequence[Tensor], *_: Tensor) -> None:
    """The input transform of F(2x2, 3x3).

    1  0 -1  0
    0  1  1  0
    0 -1  1  0
    0  1  0 -1
    """
    torch.sub(inputs[0], inputs[2], out=to[0])
    torch.add(inputs[1], inputs[2], out=to[1])
    torch.sub(inputs[2], inputs[1], out=to[2])
    torch.sub(inputs[1], inputs[3], out=to[3])


def _output_transform_f2(
    products: Sequence[Tensor], to: Sequence[Tensor], first: Tensor, _: Tensor
) -> None:
    """The output transform of F(2x2, 3x3).

    1  1  1  0
    0  1 -1 -1
    """
    torch.add(products[0], products[1], out=first)
    torch.add(first, products[2], out=to[0])
    torch.sub(products[1], products[2], out=first)
    torch.sub(first, products[3], out=to[1])


@dataclass(frozen=True, slots=True)
class _Tiling:
    tile: int  # N
    filters: tuple[tuple[float, ...], ...]  # (M, 3)
    transform_input: _Transform
    transform_output: _Transform

    @property
    def input_tile(self) -> int:
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
_F2 = _Tiling(
    2,
    ((1.0, 0.0, 0.0), (1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (0.0, 0.0, 1.0)),
    _input_transform_f2,
    _output_transform_f2,
)


def transform_filter(weight: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """(O, C, 3, 3) -> (36, O, C), in half precision (16, O, C)."""
    tiling = _F4 if dtype == torch.float32 else _F2
    factor = weight.new_tensor(tiling.filters)
    transformed = torch.einsum("ai,bj,ocij->aboc", factor, factor, weight)
    return transformed.flatten(0, 1).to(dtype)


def scratch_size(side: int, channels: int) -> int:
    """The maximum number of scratch numbers for the tiles that are processed at once."""
    tiles = max(_TILES_AT_ONCE, -(-side // _F4.tile))
    inputs, across, down, others = 36, 24, 24, 20
    return tiles * channels * (inputs + across + down + others)


@torch.no_grad()
def convolve(
    rows: Tensor,
    filters: Tensor,
    bias: Tensor | None,
    scratch: Scratch | None = None,
    name: str | None = None,
) -> Tensor:
    """rows (B, R + 2, S, C), a transformed filter -> (B, R, S, O) of the filter's type.

    Columns are padded with zeros. With a name, the result is stored in `scratch`.
    """
    tiling = _F4 if len(filters) == _F4.input_tile**2 else _F2
    scratch = Scratch() if scratch is None else scratch
    tile, input_tile = tiling.tile, tiling.input_tile
    batch, height, width, _ = rows.shape
    height -= 2
    down, across = -(-height // tile), -(-width // tile)
    padded = _padded(rows, (tile * down, tile * across), filters, scratch)
    outputs = filters.shape[1]
    shape = (batch, down, tile, across, tile, outputs)
    out = filters.new_empty(shape) if name is None else scratch.take(name, filters, *shape)
    filters = filters.view(input_tile, input_tile, *filters.shape[1:])
    if bias is not None:
        bias = bias.to(filters.dtype)
    step = max(_TILES_AT_ONCE // (batch * across), 1)
    for top in range(0, down, step):
        count = min(step, down - top)
        inputs = _transform_inputs(tiling, padded[:, tile * top :], count, across, scratch)
        to = out[:, top : top + count].permute(2, 4, 0, 1, 3, 5)  # (N, N, B, lines, across, O)
        _transform_outputs(tiling, inputs, filters, bias, to, scratch)
    return out.view(batch, tile * down, tile * across, outputs)[:, :height, :width]


def _padded(rows: Tensor, shape: tuple[int, int], like: Tensor, scratch: Scratch) -> Tensor:
    """Rows padded with zeros at the sides and below, (B, shape + 2, C), for outputs of `shape`."""
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
    tile, input_tile = tiling.tile, tiling.input_tile
    rows_of_tiles = [padded[:, start:][:, : tile * count : tile] for start in range(input_tile)]
    down = scratch.take("down", padded, input_tile, batch, count, width, channels)
    first = scratch.take("first", padded, batch, count, width, channels)
    second = scratch.take("second", padded, batch, count, width, channels)
    tiling.transform_input(rows_of_tiles, list(down), first, second)
    columns = [down[..., start:, :][..., : tile * across : tile, :] for start in range(input_tile)]
    shape = (input_tile, batch, count, across, channels)
    inputs = scratch.take("inputs", padded, input_tile, *shape)
    first, second = scratch.take("first", padded, *shape), scratch.take("second", padded, *shape)
    tiling.transform_input(
        columns, [inputs[:, index] for index in range(input_tile)], first, second
    )
    return inputs.flatten(2, 4)


def _transform_outputs(
    tiling: _Tiling,
    inputs: Tensor,
    filters: Tensor,
    bias: Tensor | None,
    to: Tensor,
    scratch: Scratch,
) -> None:
    """Transformed tiles (M, M, T, C) and filters (M, M, O, C) -> outputs (N, N, ..., O)."""
    tile, input_tile, outputs = tiling.tile, tiling.input_tile, to.shape[-1]
    shape = (inputs.shape[2], outputs)
    across = scratch.take("across", inputs, input_tile, tile, *shape)
    first, second = scratch.take("first", inputs, *shape), scratch.take("second", inputs, *shape)
    for row in range(input_tile):
        products = [
            linear(tiles, weight, bias if (row, column) == _BIAS_PRODUCT else None)
            for column, (tiles, weight) in enumerate(zip(inputs[row], filters[row], strict=True))
        ]
        tiling.transform_output(products, list(across[row]), first, second)
    parts = across.view(input_tile, *to.shape[1:])
    first, second = (
        scratch.take("first", inputs, *to.shape[1:]),
        scratch.take("second", inputs, *to.shape[1:]),
    )
    tiling.transform_output(list(parts), list(to), first, second)
