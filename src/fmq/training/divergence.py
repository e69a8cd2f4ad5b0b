"""Training that went wrong: numbers that are not finite, values that rewards do not allow."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

UNTRAINED = 20.0  # several times what fresh critics of any width gave


class Divergence(Exception):
    """Training went wrong; the text says which quantity and what it was."""


class ValueRange(NamedTuple):
    """What a discounted sum of rewards can be, each reward one that the offline data has."""

    low: float
    high: float

    def refuse(self, smallest: float, largest: float) -> None:
        """Raise `Divergence` if a Q is outside by more than the width of the whole range.

        An untrained critic starts within `UNTRAINED` of 0, whatever the rewards are, and an
        extrapolating one may well be a little outside.
        """
        width = max(self.high - self.low, UNTRAINED)
        for value in (smallest, largest):
            if not self.low - width <= value <= self.high + width:
                raise Divergence(
                    f"Q is {value:g}, far outside of what the rewards allow, "
                    f"{self.low:g} to {self.high:g}"
                )


ANYTHING = ValueRange(-math.inf, math.inf)


def refuse_divergence(possible: ValueRange, values: Tensor, **quantities: Tensor) -> None:
    """Raise `Divergence` for the first quantity, a scalar each, that is not finite, or a Q far off.

    Args:
        possible: what Q can be.
        values: critic values of any shape.
    """
    q = values.detach().aminmax()
    scalars = [*(value.detach() for value in quantities.values()), q.min, q.max]
    *found, smallest, largest = torch.stack(scalars).tolist()  # one wait for a device
    for name, value in zip(quantities, found, strict=True):
        if not math.isfinite(value):
            raise Divergence(f"{name.replace('_', ' ')} is {value}")
    possible.refuse(smallest, largest)


def possible_values(rewards: Tensor, discount: float) -> ValueRange:
    """What a discounted sum of rewards can be, each one of `rewards`, (n,), or 0 after the end."""
    low, high = min(float(rewards.min()), 0.0), max(float(rewards.max()), 0.0)
    return ValueRange(low / (1 - discount), high / (1 - discount))
