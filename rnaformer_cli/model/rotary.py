"""Rotary embedding of the pair matrix, as in the published code.

Shapes are those of network.py.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rnaformer_cli.model.config import ModelConfig


def rotary_angles(
    config: ModelConfig, pair: Tensor, is_index: Tensor | None, first: int
) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the rotation of each cell, (B or 1, R, S, 2·rotary_dim).

    As in the published code, positions run from -1 to 1 over the length of each sequence; the first
    half of the rotated channels depends on the row, the second half on the column.
    """
    _, rows, side, _ = pair.shape
    lengths = torch.tensor([side], device=pair.device) if is_index is None else is_index.sum(-1)
    index = torch.arange(side, device=pair.device)
    positions = index * (2 / (lengths[:, None] - 1).clamp(min=1)) - 1  # (B, S)
    width = int(config.rotary_fraction * config.head_dim)
    steps = torch.arange(0, width, 2, device=pair.device)[: width // 2]
    angles = positions[..., None] * 10_000.0 ** (-steps / width)
    angles = angles.repeat_interleave(2, dim=-1)  # (B, S, rotary_dim)
    by_row = angles[:, first : first + rows, None].expand(-1, -1, side, -1)
    by_column = angles[:, None].expand(-1, rows, -1, -1)
    both = torch.cat((by_row, by_column), dim=-1)
    return both.cos().to(pair.dtype), both.sin().to(pair.dtype)


def apply_rotary(cells: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotate the first channels of (B, S, S, C) in pairs; the others are unchanged."""
    width = cosine.shape[-1]
    rotated, rest = cells[..., :width], cells[..., width:]
    even, odd = rotated[..., ::2], rotated[..., 1::2]
    quarter = torch.stack((-odd, even), dim=-1).flatten(-2)
    return torch.cat((rotated * cosine + quarter * sine, rest), dim=-1)
