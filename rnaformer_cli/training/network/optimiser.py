"""The optimiser (Muon for the matrices of the blocks, AdamW for the rest) and weight averaging."""

from __future__ import annotations

import math

import torch
from torch import nn

from rnaformer_cli.training.network.config import OptimiserConfig
from rnaformer_cli.training.network.muon import Muon

_BETAS = (0.9, 0.98)


class Optimiser:
    """Muon or AdamW with a learning-rate schedule; `dtype` is that of Muon's iterations."""

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
        self._optimisers: list[torch.optim.Optimizer] = [blocks, others]

    def step(self, progress: float) -> float:
        """Take a step at a progress from 0 to 1, and return its learning rate."""
        rate = self.config.learning_rate * rate_factor(self.config, progress)
        for optimiser in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.step()
        return rate

    def state_dict(self) -> list[dict[str, object]]:
        """The state of each optimiser, for `load_state_dict`."""
        return [optimiser.state_dict() for optimiser in self._optimisers]

    def load_state_dict(self, states: list[dict[str, object]]) -> None:
        """Restore the state of `state_dict`."""
        for optimiser, state in zip(self._optimisers, states, strict=True):
            optimiser.load_state_dict(state)


def rate_factor(config: OptimiserConfig, progress: float) -> float:
    """The learning rate relative to its peak: linear warm-up, then cosine decay."""
    if progress < config.warmup:
        return max(progress / config.warmup, 1e-3)
    decayed = min((progress - config.warmup) / max(1.0 - config.warmup, 1e-9), 1.0)
    final = config.final_learning_rate_fraction
    return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * decayed))


class WeightAverage:
    """The exponential moving average of a network's weights, with a smaller decay at first."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self.tensors = {name: t.detach().clone() for name, t in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Add the weights after a step, counted from 1."""
        weight = 1.0 - min(self._decay, (1.0 + step) / (10.0 + step))
        tensors = network.state_dict()
        averages = [self.tensors[name] for name in tensors]
        torch._foreach_lerp_(averages, list(tensors.values()), weight)
