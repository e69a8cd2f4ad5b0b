"""Adam on one vector of parameters: torch's fused kernel without torch's optimiser class.

The class imports torch's compiler at its first use, which costs every short training process 1.2 s,
and on small networks its hooks take as long as the kernel. The arithmetic is that of
`torch.optim.adam.adam` with betas 0.9 and 0.999 and epsilon 1e-8, the defaults of torch and optax.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.optim.adam import adam


class Moments(NamedTuple):
    """The moments of Adam.

    Attributes:
        average: moving average of the gradient, of the gradient's shape.
        square: moving average of the gradient's square, of the gradient's shape.
        steps: number of gradients averaged so far, shape ().
    """

    average: Tensor
    square: Tensor
    steps: Tensor


def no_moments(weights: Tensor) -> Moments:
    """Return the moments before the first step."""
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
    """Update weights and moments in place, with a gradient of the weights' shape.

    Args:
        skip: nothing changes where it is 1.0 instead of 0.0; shape (), on the weights' device.
    """
    adam(
        [weights],
        [gradient],
        [moments.average],
        [moments.square],
        [],
        [moments.steps],
        fused=True,
        found_inf=skip if skip is None else skip.float(),  # the type that the kernel expects
        amsgrad=False,
        beta1=0.9,
        beta2=0.999,
        lr=learning_rate,
        weight_decay=0.0,
        eps=1e-8,
        maximize=False,
    )
