"""The pair embedding: the sequence along rows and columns, with positions.

Shapes are those of network.py.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from rnaformer_cli.model.config import ModelConfig

N_CODES = 5  # A C G U N
ALL_ROWS = slice(None)  # rows


class PairEmbedding(nn.Module):
    """The sum, at each cell, of embeddings of the bases of row and column and of their offset."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.row = BaseEmbedding(config)
        self.column = BaseEmbedding(config)
        self.max_offset = config.max_positions
        self.offset = (
            nn.Embedding(2 * self.max_offset + 1, config.dim)
            if config.positions == "relative"
            else None
        )
        self.norm = make_layer_norm(config)

    def forward(self, bases: Tensor, rows: slice = ALL_ROWS) -> Tensor:
        """(B, L) -> rows of (B, L, L, C)."""
        pair = self.column(bases)[:, None] + self.row(bases)[:, rows, None]
        if self.offset is not None:
            index = torch.arange(bases.shape[1], device=bases.device)
            offsets = (index - index[rows, None]).clamp(-self.max_offset, self.max_offset)
            pair = pair + self.offset(offsets + self.max_offset)
        embedded: Tensor = self.norm(pair)
        return embedded


class BaseEmbedding(nn.Module):
    """The embedding of each base and, if configured, of its position."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.scale = math.sqrt(config.dim // 2)
        self.letter = nn.Embedding(N_CODES, config.dim)
        self.position: nn.Embedding | nn.Linear | None = None
        if config.positions == "absolute":
            self.position = nn.Embedding(config.max_positions, config.dim)
        elif config.positions == "sinusoidal":
            self.position = nn.Linear(config.dim, config.dim, bias=False)

    def forward(self, bases: Tensor) -> Tensor:
        """(B, L) -> (B, L, C)."""
        embedded: Tensor = self.letter(bases) * self.scale
        index = torch.arange(bases.shape[1], device=bases.device)
        if isinstance(self.position, nn.Embedding):
            embedded = embedded + self.position(index.clamp(max=self.position.num_embeddings - 1))
        elif self.position is not None:
            waves = sinusoids(index, self.letter.embedding_dim).to(embedded.dtype)
            embedded = embedded + self.position(waves)
        return embedded


class Downsample(nn.Module):
    """A 3x3 convolution with stride 2: the latent matrix at half resolution."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, 3, stride=2, padding=1)

    def forward(self, pair: Tensor, is_base: Tensor | None) -> Tensor:
        """(B, L, L, C) -> (B, S, S, C); padding counts as zero. `is_base` is None without any."""
        if is_base is not None:
            pair = pair * outer_and(is_base)[..., None]
        downsampled: Tensor = self.conv(pair.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return downsampled


def outer_and(is_index: Tensor) -> Tensor:
    """is_index (B, S) -> is_cell (B, S, S)."""
    return is_index[:, :, None] & is_index[:, None, :]


def sinusoids(index: Tensor, dim: int) -> Tensor:
    """Sine and cosine of each position at dim / 2 wavelengths: (L,) -> (L, dim)."""
    rates = torch.exp(torch.arange(0, dim, 2, device=index.device) * (-math.log(10_000) / dim))
    angles = index[:, None] * rates
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)


class LayerNorm(nn.LayerNorm):
    """torch.nn.LayerNorm, computed in fp32 in training.

    On CPUs, PyTorch accumulates the gradients of a norm in half precision, in which a sum over
    thousands of cells stops growing.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(..., C) -> (..., C)."""
        return super().forward(input.float() if torch.is_grad_enabled() else input)


def make_layer_norm(config: ModelConfig) -> LayerNorm:
    """A layer norm over channels, as configured."""
    return LayerNorm(config.dim, eps=config.norm_eps, elementwise_affine=config.norm_affine)
