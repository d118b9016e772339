"""3x3 convolutions with a quarter of the multiplications: Winograd's F(4x4, 3x3).

Lavin and Gray 2016, arXiv 1509.09308. Four by four outputs are made from six by six inputs: both
are transformed, so that the convolution becomes 36 products of matrices over all such tiles. Pays
where there are many channels, and costs about one digit of precision.

Shapes
    B  batch   R  rows of output   S  columns   C  channels in   O  channels out   T  tiles
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from rnaformer_cli.model.products import linear

_TILE = 4  # outputs of a tile, each way
_REACH = 6  # inputs of a tile, each way
_AT_ONCE = 128  # tiles: enough for fast products, few enough to stay in a cache
_INPUT = (
    (4.0, 0.0, -5.0, 0.0, 1.0, 0.0),
    (0.0, -4.0, -4.0, 1.0, 1.0, 0.0),
    (0.0, 4.0, -4.0, -1.0, 1.0, 0.0),
    (0.0, -2.0, -1.0, 2.0, 1.0, 0.0),
    (0.0, 2.0, -1.0, -2.0, 1.0, 0.0),
    (0.0, 4.0, 0.0, -5.0, 0.0, 1.0),
)
_FILTER = (
    (1 / 4, 0.0, 0.0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0.0, 0.0, 1.0),
)
_OUTPUT = (
    (1.0, 1.0, 1.0, 1.0, 1.0, 0.0),
    (0.0, 1.0, -1.0, 2.0, -2.0, 0.0),
    (0.0, 1.0, 1.0, 4.0, 4.0, 0.0),
    (0.0, 1.0, -1.0, 8.0, -8.0, 1.0),
)

_EVERYWHERE = (1, 1)  # the product that every output takes in once


def _transform(matrix: tuple[tuple[float, ...], ...], tiles: Tensor) -> Tensor:
    """(n, n, ...) -> (m, m, ...): the matrix (m, n) times the columns, then times the rows."""
    factor = torch.tensor(matrix, dtype=tiles.dtype, device=tiles.device)
    outputs, inputs = factor.shape
    down = (factor @ tiles.reshape(inputs, -1)).view(outputs, inputs, -1)
    return torch.matmul(factor, down).view(outputs, outputs, *tiles.shape[2:])


def _transform_lines(padded: Tensor, lines: slice, across: int) -> Tensor:
    """Padded rows -> the transformed tiles of some lines, (6, 6, B · lines · across, C).

    Line by line, down and then across, so that what is worked on stays in a cache.
    """
    batch, _, width, channels = padded.shape
    count = lines.stop - lines.start
    factor = padded.new_tensor(_INPUT)
    seen = padded.new_empty(_REACH, _REACH, batch, count, across, channels)
    for place, line in enumerate(range(lines.start, lines.stop)):
        rows = padded[:, _TILE * line : _TILE * line + _REACH].transpose(0, 1)
        down = (factor @ rows.reshape(_REACH, -1)).view(_REACH, batch, width, channels)
        tiles = down.unfold(2, _REACH, _TILE).permute(0, 4, 1, 2, 3)  # (6, 6, B, across, C)
        both = torch.matmul(factor, tiles.reshape(_REACH, _REACH, -1))
        seen[:, :, :, place] = both.view(_REACH, _REACH, batch, across, channels)
    return seen.flatten(2, 4)


def transform_filter(weight: Tensor) -> Tensor:
    """(O, C, 3, 3) -> (36, O, C)."""
    return _transform(_FILTER, weight.permute(2, 3, 0, 1)).flatten(0, 1)


def convolve(
    rows: Tensor, transformed: Tensor, bias: Tensor | None, missing: tuple[int, int] = (0, 0)
) -> Tensor:
    """rows (B, R + 2 - missing, S, C), a transformed filter -> (B, R, S, O).

    Columns beyond the sides count as zero, and so do `missing` rows above and below.
    """
    batch, height, width, _ = rows.shape
    height += sum(missing) - 2
    down, across = -(-height // _TILE), -(-width // _TILE)
    spare = (down * _TILE - height, across * _TILE - width)
    padded = F.pad(rows, (0, 0, 1, 1 + spare[1], missing[0], missing[1] + spare[0]))
    outputs = transformed.shape[1]
    out = rows.new_empty(batch, down, _TILE, across, _TILE, outputs)
    step = max(_AT_ONCE // (batch * across), 1)
    products = rows.new_empty(_REACH, _REACH, batch * step * across, outputs)
    for top in range(0, down, step):
        lines = slice(top, min(top + step, down))
        seen = _transform_lines(padded, lines, across)
        products = products[:, :, : seen.shape[2]]
        for place, filters in enumerate(transformed):
            one, other = divmod(place, _REACH)
            term = bias if (one, other) == _EVERYWHERE else None
            products[one, other] = linear(seen[one, other], filters, term)
        made = _transform(_OUTPUT, products).view(_TILE, _TILE, batch, -1, across, outputs)
        out[:, lines] = made.permute(2, 3, 0, 4, 1, 5)
    return out.view(batch, down * _TILE, across * _TILE, outputs)[:, :height, :width]
