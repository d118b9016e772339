"""Parameters -> steps: Muon for the matrices of the blocks, AdamW for the rest."""

from __future__ import annotations

import math

import torch
from torch import nn

from rnaformer_cli.training.network.config import OptimiserConfig
from rnaformer_cli.training.network.muon import Muon

_BETAS = (0.9, 0.98)


class Optimiser:
    """Steps with a schedule; `dtype` is that of Muon's iterations."""

    def __init__(
        self,
        network: nn.Module,
        config: OptimiserConfig,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.config = config
        named = list(network.named_parameters())
        hidden = [p for name, p in named if name.startswith("blocks.") and p.dim() > 1]
        chosen = {id(parameter) for parameter in hidden}
        rest = [p for _, p in named if id(p) not in chosen]
        decay = config.weight_decay
        blocks = (
            Muon(hidden, config.learning_rate, decay, dtype)
            if config.kind == "muon"
            else torch.optim.AdamW(hidden, config.learning_rate, betas=_BETAS, weight_decay=decay)
        )
        others = torch.optim.AdamW(rest, config.learning_rate, betas=_BETAS, weight_decay=0.0)
        self._parts: list[torch.optim.Optimizer] = [blocks, others]

    def step(self, progress: float) -> float:
        """Take a step at a progress from 0 to 1. Returns the learning rate."""
        rate = self.config.learning_rate * rate_factor(self.config, progress)
        for part in self._parts:
            for group in part.param_groups:
                group["lr"] = rate
            part.step()
        return rate

    def state_dict(self) -> list[dict[str, object]]:
        """The state for load_state_dict."""
        return [part.state_dict() for part in self._parts]

    def load_state_dict(self, states: list[dict[str, object]]) -> None:
        """Restore a stored state."""
        for part, state in zip(self._parts, states, strict=True):
            part.load_state_dict(state)


def rate_factor(config: OptimiserConfig, progress: float) -> float:
    """The learning rate schedule: linear warm-up, then a cosine to the final fraction."""
    if progress < config.warmup:
        return max(progress / config.warmup, 1e-3)
    rest = min((progress - config.warmup) / max(1.0 - config.warmup, 1e-9), 1.0)
    return config.final_learning_rate_fraction + (
        1.0 - config.final_learning_rate_fraction
    ) * 0.5 * (1.0 + math.cos(math.pi * rest))


class Average:
    """The exponential moving average of a network's weights, with a smaller decay at first."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self.tensors = {name: t.detach().clone() for name, t in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Update with the weights after a step, counted from 1."""
        weight = 1.0 - min(self._decay, (1.0 + step) / (10.0 + step))
        for name, tensor in network.state_dict().items():
            self.tensors[name].lerp_(tensor, weight)
