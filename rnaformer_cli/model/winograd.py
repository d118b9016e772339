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


def _both_ways(matrix: tuple[tuple[float, ...], ...], like: Tensor) -> Tensor:
    """A transform of columns and of rows at once."""
    one = torch.tensor(matrix, dtype=torch.float64)
    return torch.kron(one, one).to(like)


def transform_filter(weight: Tensor) -> Tensor:
    """(O, C, 3, 3) -> (36, O, C)."""
    flat = weight.permute(2, 3, 0, 1).reshape(9, -1)
    return (_both_ways(_FILTER, weight) @ flat).view(_REACH**2, *weight.shape[:2])


def convolve(
    rows: Tensor, transformed: Tensor, bias: Tensor | None, missing: tuple[int, int] = (0, 0)
) -> Tensor:
    """rows (B, R + 2 - missing, S, C), a transformed filter -> (B, R, S, O).

    Columns beyond the sides count as zero, and so do `missing` rows above and below.
    """
    batch, height, width, channels = rows.shape
    height += sum(missing) - 2
    down, across = -(-height // _TILE), -(-width // _TILE)
    spare = (down * _TILE - height, across * _TILE - width)
    padded = F.pad(rows, (0, 0, 1, 1 + spare[1], missing[0], missing[1] + spare[0]))
    outputs = transformed.shape[1]
    out = rows.new_empty(batch, down, _TILE, across, _TILE, outputs)
    forth, back = _both_ways(_INPUT, rows), _both_ways(_OUTPUT, rows)
    step = max(_AT_ONCE // (batch * across), 1)
    products = rows.new_empty(_REACH**2, batch * step * across, outputs)
    for top in range(0, down, step):
        lines = slice(top, min(top + step, down))
        part = padded[:, _TILE * lines.start : _TILE * lines.stop + _REACH - _TILE]
        tiles = part.unfold(1, _REACH, _TILE).unfold(
            2, _REACH, _TILE
        )  # (B, lines, across, C, 6, 6)
        flat = tiles.permute(4, 5, 0, 1, 2, 3).reshape(_REACH**2, -1)
        seen = (forth @ flat).view(_REACH**2, -1, channels)
        products = products[:, : seen.shape[1]]
        for place in range(_REACH**2):
            products[place] = linear(seen[place], transformed[place])
        made = (back @ products.reshape(_REACH**2, -1)).view(
            _TILE, _TILE, batch, -1, across, outputs
        )
        out[:, lines] = made.permute(2, 3, 0, 4, 1, 5)
    out = out.view(batch, down * _TILE, across * _TILE, outputs)
    if bias is not None:
        out += bias
    return out[:, :height, :width]
