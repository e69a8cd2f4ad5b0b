"""Training that went wrong: numbers that are not finite, values that rewards do not allow."""

from typing import NamedTuple

import torch
from torch import Tensor


class Divergence(Exception):
    """Training went wrong; the text says which quantity and what it was."""


def refuse_divergence(**quantities: Tensor) -> None:
    """Raise `Divergence` for the first quantity, a scalar each, that is not finite."""
    values = torch.stack([value.detach() for value in quantities.values()]).tolist()
    for name, value in zip(quantities, values, strict=True):
        # A number minus itself is 0, unless it is infinite or none.
        if value - value != 0:
            raise Divergence(f"{name.replace('_', ' ')} is {value}")


class ValueRange(NamedTuple):
    """Discounted sums of rewards that are possible: no policy's Q is outside."""

    low: float
    high: float

    def refuse(self, smallest: float, largest: float) -> None:
        """Raise `Divergence` if a Q is outside by more than the width of the whole range.

        An untrained or extrapolating critic may well be a little outside.
        """
        width = self.high - self.low
        for value in (smallest, largest):
            if not self.low - width <= value <= self.high + width:
                raise Divergence(
                    f"Q is {value:g}, far outside of what the rewards allow, "
                    f"{self.low:g} to {self.high:g}"
                )


def value_range(rewards: Tensor, discount: float) -> ValueRange:
    """What a discounted sum of rewards can be, each one of `rewards`, (n,), or 0 after the end."""
    low, high = min(float(rewards.min()), 0.0), max(float(rewards.max()), 0.0)
    return ValueRange(low / (1 - discount), high / (1 - discount))
