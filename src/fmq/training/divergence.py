"""Detect diverged training: values that are not finite, or a Q that the rewards do not allow."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from fmq.data.sequences import Batch

UNTRAINED = 20.0  # several times the Q of untrained critics of any width


class Divergence(Exception):
    """Training diverged; the text names the quantity and its value.

    Attributes:
        learner: index of the diverged learner among those that are updated together.
        step: gradient step.
        batch: the batch of that step.
    """

    def __init__(self, text: str, learner: int, step: int, batch: Batch) -> None:
        super().__init__(text)
        self.learner, self.step, self.batch = learner, step, batch


class ValueRange(NamedTuple):
    """The range of values that Q can have.

    An untrained critic starts within `UNTRAINED` of 0 whatever the rewards are, and an
    extrapolating critic may go somewhat beyond what they allow. `bounds` therefore leaves a margin
    as wide as the range, and at least `UNTRAINED`.
    """

    low: float
    high: float

    def bounds(self) -> tuple[float, float]:
        """Return the smallest and the largest Q that do not count as divergence."""
        width = max(self.high - self.low, UNTRAINED)
        return self.low - width, self.high + width


ANYTHING = ValueRange(-math.inf, math.inf)


class Signs(NamedTuple):
    """The numbers that show whether an update diverged.

    Attributes:
        names: names of the quantities.
        numbers: the quantities, then the smallest and the largest Q; shape (len(names) + 2,), or
            with a first axis of learners.
    """

    names: tuple[str, ...]
    numbers: Tensor


def signs(values: Tensor, quantities: dict[str, Tensor]) -> Signs:
    """Collect critic values (2, batch) and scalar quantities into `Signs`.

    With several learners, both have a first axis of learners.
    """
    q = values.flatten(-2).aminmax(dim=-1)
    return Signs(tuple(quantities), torch.stack([*quantities.values(), q.min, q.max], -1))


def wrong(found: Signs, possible: ValueRange) -> Tensor:
    """Return 1.0 if any learner's update diverged, else 0.0; shape (), without a device sync."""
    low, high = possible.bounds()
    q = found.numbers[..., -2:]
    good = found.numbers.isfinite().all() & (q >= low).all() & (q <= high).all()
    return 1.0 - good.float()


def faults(found: Signs, possible: ValueRange) -> list[str | None]:
    """Describe what diverged for each learner, or None; `found` has to be on the host."""
    rows = found.numbers.reshape(-1, len(found.names) + 2).tolist()
    return [_fault(found.names, row, possible) for row in rows]


def _fault(names: tuple[str, ...], row: list[float], possible: ValueRange) -> str | None:
    """Describe the first quantity that is not finite, or a Q out of bounds, if there is one."""
    *numbers, smallest, largest = row
    for name, number in zip(names, numbers, strict=True):
        if not math.isfinite(number):
            return f"{name.replace('_', ' ')} is {number}"
    low, high = possible.bounds()
    for value in (smallest, largest):
        if not low <= value <= high:
            return (
                f"Q is {value:g}, far outside of what the rewards allow, "
                f"{possible.low:g} to {possible.high:g}"
            )
    return None


def possible_values(rewards: Tensor, discount: float) -> ValueRange:
    """Return the range of discounted sums of `rewards`, (n,), with 0 after an episode's end."""
    low, high = min(float(rewards.min()), 0.0), max(float(rewards.max()), 0.0)
    return ValueRange(low / (1 - discount), high / (1 - discount))
