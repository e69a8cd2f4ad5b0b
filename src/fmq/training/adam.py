"""Adam on one vector of parameters, as torch's own fused kernel without torch's optimiser class.

The class imports torch's compiler at its first use, 1.2 s of every short training process, and its
hooks take as long as the kernel on small networks. The arithmetic is `torch.optim.adam.adam`.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam


def flatten(parameters: Iterable[nn.Parameter]) -> Tensor:
    """A vector of all parameters, which become views of it: what is done to it is done to them.

    One kernel then serves what would take one for every layer's weight and bias.
    """
    parameters = list(parameters)
    vector = torch.cat([p.detach().flatten() for p in parameters])
    parts = vector.split([p.numel() for p in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.data = part.view_as(parameter)
    return vector


class Adam:
    """Adam with betas 0.9 and 0.999 and epsilon 1e-8, torch's and optax's defaults."""

    def __init__(self, weights: Tensor, learning_rate: float) -> None:
        self.weights = weights
        self.learning_rate = learning_rate
        self.average = torch.zeros_like(weights)
        self.square = torch.zeros_like(weights)
        self.steps = torch.zeros((), device=weights.device)

    @torch.no_grad()
    def step(self, gradient: Tensor, skip: Tensor | None = None) -> None:
        """One update of the weights, in place, by a gradient of their shape.

        Args:
            skip: where it is 1.0 and not 0.0, nothing is changed; shape (), on their device.
        """
        adam(
            [self.weights],
            [gradient],
            [self.average],
            [self.square],
            [],
            [self.steps],
            fused=True,
            found_inf=skip,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self.learning_rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )

    def state(self) -> dict[str, Any]:
        """Moments and step count, for a checkpoint."""
        return {"average": self.average, "square": self.square, "steps": self.steps}

    @torch.no_grad()
    def load_state(self, state: dict[str, Any]) -> None:
        """Copy what `state` returned."""
        for name, mine in self.state().items():
            mine.copy_(state[name])
