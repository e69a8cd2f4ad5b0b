"""Adam, as torch's own fused kernel without torch's optimiser class.

The class imports torch's compiler at its first use, 1.2 s of every short training process, and its
hooks take as long as the kernel on small networks. The arithmetic is `torch.optim.adam.adam`.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam


class Adam:
    """Adam with betas 0.9 and 0.999 and epsilon 1e-8, torch's and optax's defaults."""

    def __init__(self, parameters: Iterable[nn.Parameter], learning_rate: float) -> None:
        self.parameters: list[Tensor] = list(parameters)
        self.learning_rate = learning_rate
        self.averages = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]
        self.steps = [torch.zeros((), device=p.device) for p in self.parameters]

    def gradients(self) -> list[Tensor]:
        """Gradients of all parameters; each has one after a backward pass."""
        return [p.grad for p in self.parameters if p.grad is not None]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """One update of all parameters, in place."""
        adam(
            self.parameters,
            self.gradients(),
            self.averages,
            self.squares,
            [],
            self.steps,
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self.learning_rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )

    def state(self) -> dict[str, Any]:
        """Moments and step counts, for a checkpoint."""
        return {"averages": self.averages, "squares": self.squares, "steps": self.steps}

    @torch.no_grad()
    def load_state(self, state: dict[str, Any]) -> None:
        """Copy what `state` returned."""
        for name, values in self.state().items():
            for mine, theirs in zip(values, state[name], strict=True):
                mine.copy_(theirs)
