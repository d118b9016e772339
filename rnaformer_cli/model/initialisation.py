"""Initial weights of a network."""

from __future__ import annotations

from torch import nn


def initialise(network: nn.Module, prior: float = -5.0) -> None:
    """Initialise the weights in place.

    The outputs of residual branches are zero and the logit of every cell is about `prior`, since
    base pairs are rare.
    """
    for name, parameter in network.named_parameters():
        if parameter.dim() == 1:
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
        elif any(part in name for part in ("letter", "position", "offset")):
            nn.init.normal_(parameter, std=0.2)
        elif name.endswith(("out.weight", "narrow.weight")):
            nn.init.zeros_(parameter)
        else:
            nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    read_out = network.read_out
    assert isinstance(read_out, nn.Linear)
    if read_out.bias is not None:
        nn.init.constant_(read_out.bias, prior)
