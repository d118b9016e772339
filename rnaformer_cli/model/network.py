"""RNAformer: a matrix of all possible base pairs, refined by axial attention and recycling.

Franke, Runge, Hutter 2023, arXiv 2307.10073. Options follow the published code; comments mark
differences.

Shapes
    B  sequences in the batch          L  bases, padded to the longest
    S  side of the latent matrix: ceil(L / patch)
    C  channels (config.dim)           H  attention heads        D  channels of a head

True means real, False is padding: `is_base` (B, L) marks bases, `is_index` (B, S) rows and columns
of the latent matrix, `is_cell` (B, S, S) its cells. `is_index` is None when nothing is padded.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from rnaformer_cli.folding.model import MIN_PROBABILITY, FoldingModel, probabilities_to_features
from rnaformer_cli.folding.pairs import NO_LETTER
from rnaformer_cli.model.config import ModelConfig
from rnaformer_cli.model.embedding import (
    ALL_ROWS,
    Downsample,
    LayerNorm,
    PairEmbedding,
    make_layer_norm,
    outer_and,
)
from rnaformer_cli.model.onednn import Linear, attend
from rnaformer_cli.model.rotary import apply_rotary, rotary_angles


class RNAformer(nn.Module):
    """The network: sequences in, one logit for each possible base pair out."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.save_memory = False  # in training: recompute a block's activations when needed
        self.embedding = PairEmbedding(config)
        self.folding = FoldingModel() if config.folding else None
        self.folded = nn.Linear(2, config.dim) if config.folding else None
        self.shrink = Downsample(config.dim) if config.patch == 2 else None
        self.flag = nn.Linear(1, config.dim) if config.label_flag else None
        self.recycle_norm = LayerNorm(config.dim) if config.recycling else None
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = make_layer_norm(config)
        self.read_out = nn.Linear(
            config.dim, config.outputs * config.patch**2, bias=config.outputs == 1
        )

    def forward(
        self, bases: Tensor, is_base: Tensor, cycles: int | None = None, flag: Tensor | None = None
    ) -> Tensor:
        """bases, is_base (B, L) -> symmetric pair logits (B, L, L).

        The logit of a pair is the mean of both triangles. Values at padding are undefined.
        """
        directed = self.directed_logits(bases, is_base, cycles, flag)
        return (directed + directed.transpose(1, 2)) / 2

    def directed_logits(
        self, bases: Tensor, is_base: Tensor, cycles: int | None = None, flag: Tensor | None = None
    ) -> Tensor:
        """bases, is_base (B, L) -> the logits of the read-out (B, L, L), not symmetric.

        `cycles` is the number of passes, by default that of the config; only the last pass is
        trained. `flag` (B,) is the label flag of each sequence, by default 1 (curated).
        """
        length = bases.shape[1]
        bases, is_base, is_index = self.pad_to_patches(bases, is_base)
        features = self.folding_features(bases, is_base)
        mask = None if is_base.all() else is_base
        directed = self.refine_features(bases, features, mask, is_index, cycles, flag)
        return directed[:, :length, :length]

    def bucketed_logits(
        self,
        bases: Tensor,
        is_base: Tensor,
        folding: Tensor | None,
        cycles: int,
        flag: Tensor | None = None,
    ) -> Tensor:
        """The logits of `forward` for sequences of one latent side; nothing waits for the device.

        bases, is_base (B, L), where L is a multiple of the patch and only the last base of a
        sequence may be padding. `folding` (B, L, L) has the probabilities of the folding model.
        """
        features = None if folding is None else probabilities_to_features(folding)
        directed = self.refine_features(bases, features, is_base, None, cycles, flag)
        return (directed + directed.transpose(1, 2)) / 2

    def refine_features(
        self,
        bases: Tensor,
        features: Tensor | None,
        is_base: Tensor | None,
        is_index: Tensor | None,
        cycles: int | None = None,
        flag: Tensor | None = None,
    ) -> Tensor:
        """bases (B, L), folding features (B, L, L, 2) -> directed logits (B, L, L).

        L is a multiple of the patch. `is_base` is None if nothing is padded.
        """
        embedded = self._embed(bases, is_base, flag, features)
        latent = torch.zeros_like(embedded)
        for _ in range((cycles or self.config.cycles) - 1):
            with torch.no_grad():  # only the last pass is trained
                latent = self._refine(self._recycle(embedded, latent), is_index)
        latent = self._refine(self._recycle(embedded, latent), is_index)
        return self.unpatchify(self.read_out(latent)) + self.folding_logits(features)

    def pad_to_patches(
        self, bases: Tensor, is_base: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """bases, is_base (B, L) padded to a multiple of the patch, and is_index (B, S) or None."""
        patch = self.config.patch
        rest = -bases.shape[1] % patch
        bases, is_base = F.pad(bases, (0, rest)), F.pad(is_base, (0, rest))
        is_index = is_base[:, ::patch]  # a patch with one base is real
        return bases, is_base, None if is_index.all() else is_index

    def unpatchify(self, logits: Tensor) -> Tensor:
        """Output of the read-out (B, R, S, outputs · patch²) -> pair logits (B, R · patch, L)."""
        if self.config.patch == 2:
            return F.pixel_shuffle(logits.movedim(-1, 1), 2)[:, 0]
        return logits[..., -1]

    def folding_features(self, bases: Tensor, is_base: Tensor) -> Tensor | None:
        """Features of every pair from the folding model (B, L, L, 2); None without one."""
        if self.folding is None:
            return None
        return probabilities_to_features(self.folding(bases.masked_fill(~is_base, NO_LETTER)))

    def embed_pairs(self, bases: Tensor, features: Tensor | None, rows: slice = ALL_ROWS) -> Tensor:
        """bases (B, L), folding features -> rows of the pair embedding at full resolution.

        The rows are a slice of (B, L, L, C).
        """
        pair: Tensor = self.embedding(bases, rows)
        if self.folded is None or features is None:
            return pair
        term: Tensor = self.folded(features[:, rows])
        return pair + term

    def folding_logits(self, features: Tensor | None) -> Tensor | float:
        """The weighted logits of the folding model (B, L, L), to be added to the pair logits."""
        if features is None or not self.config.folding_logit_weight:
            return 0.0
        return self.config.folding_logit_weight * torch.logit(features[..., 0], MIN_PROBABILITY)

    def label_type_term(self, batch: int, flag: Tensor | None) -> Tensor | float:
        """The embedding of the label flags (B, 1, 1, C), which is added to every cell."""
        if self.flag is None:
            return 0.0
        weight = self.flag.weight
        value = weight.new_ones(batch) if flag is None else flag.to(weight)
        term: Tensor = self.flag(value[:, None])[:, None, None]
        return term

    def _embed(
        self, bases: Tensor, is_base: Tensor | None, flag: Tensor | None, features: Tensor | None
    ) -> Tensor:
        """(B, L) -> embedded pair matrix (B, S, S, C)."""
        pair = self.embed_pairs(bases, features)
        if self.shrink is not None:
            pair = self.shrink(pair, is_base)
        embedded: Tensor = pair + self.label_type_term(len(bases), flag)
        return embedded

    def _recycle(self, embedded: Tensor, latent: Tensor) -> Tensor:
        if self.recycle_norm is None:
            return embedded
        recycled: Tensor = embedded + self.recycle_norm(latent)
        return recycled

    def _refine(self, pair: Tensor, is_index: Tensor | None) -> Tensor:
        for block in self.blocks:
            if self.save_memory and torch.is_grad_enabled():
                pair = checkpoint(block, pair, is_index, use_reentrant=False)
            else:
                pair = block(pair, is_index)
        refined: Tensor = self.norm(pair)
        return refined


class Block(nn.Module):
    """Row attention, column attention, transition; each adds to the pair matrix."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.row_attention = Attention(config) if config.attention != "none" else None
        has_columns = config.attention in ("axial", "full")
        self.column_attention = Attention(config) if has_columns else None
        self.transition = ConvTransition(config) if config.ff_kernel else LinearTransition(config)
        self.attention_dropout = nn.Dropout(config.dropout / 2)
        self.transition_dropout = nn.Dropout(config.dropout)

    def forward(self, pair: Tensor, is_index: Tensor | None) -> Tensor:
        """(B, S, S, C) -> (B, S, S, C)."""
        if self.row_attention is not None:
            pair = pair + self.attention_dropout(self.row_attention(pair, is_index))
        if self.column_attention is not None:
            column = self.column_attention(pair.transpose(1, 2), is_index).transpose(1, 2)
            pair = pair + self.attention_dropout(column)
        refined: Tensor = pair + self.transition_dropout(self.transition(pair, is_index))
        return refined


class Attention(nn.Module):
    """Self-attention along the rows of the pair matrix; with "full", over all its cells."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        rotary = config.rotary_fraction > 0
        # As in the published code, this norm is always affine without rotary embedding.
        self.norm = LayerNorm(
            config.dim,
            eps=config.norm_eps if rotary else 1e-6,
            elementwise_affine=config.norm_affine or not rotary,
        )
        self.qkv = Linear(config.dim, 3 * config.dim, bias=config.use_bias)
        self.out = Linear(config.dim, config.dim, bias=config.use_bias)

    def forward(self, pair: Tensor, is_index: Tensor | None, first: int = 0) -> Tensor:
        """(B, R, S, C) -> (B, R, S, C), for R rows of the matrix that begin at row `first`."""
        batch, rows, side, dim = pair.shape
        query, key, value = self.qkv(self.norm(pair)).chunk(3, dim=-1)  # each (B, R, S, C)
        if self.config.rotary_fraction:
            cosine, sine = rotary_angles(self.config, pair, is_index, first)
            query, key = apply_rotary(query, cosine, sine), apply_rotary(key, cosine, sine)
        if self.config.attention == "full":
            sequences, length = batch, rows * side
        else:
            sequences, length = batch * rows, side
        heads = (sequences, length, self.config.heads, self.config.head_dim)
        mixed = attend(
            query.reshape(heads).transpose(1, 2),  # (sequences, H, length, D)
            key.reshape(heads).transpose(1, 2),
            value.reshape(heads).transpose(1, 2),
            self._may_attend(is_index, rows),
            None if self.config.softmax_scale else 1.0,
        )
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, rows, side, dim))
        return out

    def _may_attend(self, is_index: Tensor | None, rows: int) -> Tensor | None:
        """Which keys are real, for each sequence that attends within itself, (N, 1, 1, length)."""
        if is_index is None:
            return None
        if self.config.attention == "full":
            return outer_and(is_index).flatten(1)[:, None, None]
        # By key only: padded queries attend too, so that no softmax is over an empty set.
        return is_index[:, None].expand(-1, rows, -1).flatten(0, 1)[:, None, None]


class ConvTransition(nn.Module):
    """Norm, widen, SiLU, narrow, with convolutions over neighbouring pairs, as in helices."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm = MaskedGroupNorm(config.dim, affine=config.norm_affine)
        padding = config.ff_kernel // 2
        self.widen = nn.Conv2d(
            config.dim, config.hidden_dim, config.ff_kernel, padding=padding, bias=config.use_bias
        )
        self.narrow = nn.Conv2d(
            config.hidden_dim, config.dim, config.ff_kernel, padding=padding, bias=config.use_bias
        )

    def forward(self, pair: Tensor, is_index: Tensor | None) -> Tensor:
        """(B, S, S, C) -> (B, S, S, C)."""
        is_cell = None if is_index is None else outer_and(is_index)
        pair = self.norm(pair.permute(0, 3, 1, 2), is_cell)
        pair = F.silu(self.widen(pair))
        if is_cell is not None:
            pair = pair * is_cell[:, None]  # padding must not enter the next convolution
        narrowed: Tensor = self.narrow(pair).permute(0, 2, 3, 1)
        return narrowed


class LinearTransition(nn.Module):
    """The plain feed-forward of a transformer (ff_kernel 0)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norm = make_layer_norm(config)
        self.widen = Linear(config.dim, config.hidden_dim, bias=config.use_bias)
        self.narrow = Linear(config.hidden_dim, config.dim, bias=config.use_bias)

    def forward(self, pair: Tensor, is_index: Tensor | None) -> Tensor:
        """(B, S, S, C) -> (B, S, S, C)."""
        narrowed: Tensor = self.narrow(F.silu(self.widen(self.norm(pair))))
        return narrowed


class MaskedGroupNorm(nn.GroupNorm):
    """GroupNorm(1, C) with statistics over real cells only; the output at padding is zero."""

    def __init__(self, dim: int, affine: bool) -> None:
        super().__init__(1, dim, affine=affine)

    def forward(self, pair: Tensor, is_cell: Tensor | None = None) -> Tensor:
        """(B, C, S, S) -> (B, C, S, S)."""
        if is_cell is None:
            return super().forward(pair)
        real = is_cell[:, None].to(pair.dtype)
        count = real.sum((1, 2, 3), keepdim=True) * pair.shape[1]
        mean = (pair * real).sum((1, 2, 3), keepdim=True) / count
        centred = (pair - mean) * real
        variance = centred.square().sum((1, 2, 3), keepdim=True) / count
        normed = centred * torch.rsqrt(variance + self.eps)
        if self.affine:
            normed = (normed * self.weight[:, None, None] + self.bias[:, None, None]) * real
        return normed
