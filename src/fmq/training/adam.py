"""Adam on one vector of parameters, as torch's own fused kernel without torch's optimiser class.

The class imports torch's compiler at its first use, 1.2 s of every short training process, and its
hooks take as long as the kernel on small networks. The arithmetic is `torch.optim.adam.adam`, with
betas 0.9 and 0.999 and epsilon 1e-8, torch's and optax's defaults.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.optim.adam import adam


class Moments(NamedTuple):
    """Moving averages of a gradient and of its square, of its shape, and how many went in, ()."""

    average: Tensor
    square: Tensor
    steps: Tensor


def no_moments(weights: Tensor) -> Moments:
    """Those before the first step."""
    steps = torch.zeros((), device=weights.device)
    return Moments(torch.zeros_like(weights), torch.zeros_like(weights), steps)


@torch.no_grad()
def adam_step(
    weights: Tensor,
    gradient: Tensor,
    moments: Moments,
    learning_rate: float,
    skip: Tensor | None = None,
) -> None:
    """One update of weights and moments, in place, by a gradient of the weights' shape.

    Args:
        skip: where it is 1.0 and not 0.0, nothing is changed; shape (), on their device.
    """
    adam(
        [weights],
        [gradient],
        [moments.average],
        [moments.square],
        [],
        [moments.steps],
        fused=True,
        found_inf=skip,
        amsgrad=False,
        beta1=0.9,
        beta2=0.999,
        lr=learning_rate,
        weight_decay=0.0,
        eps=1e-8,
        maximize=False,
    )
