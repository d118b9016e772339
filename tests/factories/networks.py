"""Every kind of network that a config can describe, small, and inputs for them."""

from dataclasses import replace

import torch

from rnaformer_cli.model.config import ModelConfig

SMALL = ModelConfig(dim=16, depth=2, heads=2, ff_factor=2.0)
FULL_RESOLUTION = replace(SMALL, patch=1)
VARIANTS = {
    "half resolution": SMALL,
    "label flag": replace(SMALL, label_flag=True),
    "folding": replace(SMALL, folding=True),
    "weighted folding": replace(SMALL, folding=True, folding_logit_weight=0.4),
    "folding at full resolution": replace(SMALL, folding=True, patch=1),
    "full resolution": FULL_RESOLUTION,
    "absolute positions": replace(FULL_RESOLUTION, positions="absolute", max_positions=7),
    "sinusoids": replace(FULL_RESOLUTION, positions="sinusoidal"),
    "no positions": replace(FULL_RESOLUTION, positions="none"),
    "rotary": replace(FULL_RESOLUTION, positions="none", rotary_fraction=0.5),
    "rotary at half resolution": replace(SMALL, positions="none", rotary_fraction=0.5),
    "two outputs": replace(FULL_RESOLUTION, outputs=2),
    "no recycling": replace(FULL_RESOLUTION, recycling=False, cycles=1),
    "plain norms": replace(FULL_RESOLUTION, norm_affine=False, use_bias=False),
    "unscaled softmax": replace(FULL_RESOLUTION, softmax_scale=False),
    "1x1 convolutions": replace(FULL_RESOLUTION, ff_kernel=1),
    "plain feed-forward": replace(FULL_RESOLUTION, ff_kernel=0),
    "full attention": replace(FULL_RESOLUTION, attention="full"),
    "attention along rows": replace(SMALL, attention="rows"),
    "no attention": replace(SMALL, attention="none"),
}


def random_batch(*lengths):
    """Random codes (B, L), padded to the longest sequence, and is_base (B, L)."""
    bases = torch.full((len(lengths), max(lengths)), 4)
    is_base = torch.zeros_like(bases, dtype=torch.bool)
    generator = torch.Generator().manual_seed(11)
    for row, length in enumerate(lengths):
        bases[row, :length] = torch.randint(0, 4, (length,), generator=generator)
        is_base[row, :length] = True
    return bases, is_base
