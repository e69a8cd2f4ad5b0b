"""Training that went wrong: numbers that are not finite, values that rewards do not allow."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from fmq.data.sequences import Batch

UNTRAINED = 20.0  # several times what fresh critics of any width gave


class Divergence(Exception):
    """Training went wrong; the text says which quantity and what it was.

    Attributes:
        learner: number of the one whose training it is, of those that are updated together.
        step: gradient step.
        batch: what the step was to learn from.
    """

    def __init__(self, text: str, learner: int, step: int, batch: Batch) -> None:
        super().__init__(text)
        self.learner, self.step, self.batch = learner, step, batch


class ValueRange(NamedTuple):
    """What Q can be.

    An untrained critic starts within `UNTRAINED` of 0, whatever the rewards are, and an
    extrapolating one may well be a little outside of what they allow: by the width of all that.
    """

    low: float
    high: float

    def bounds(self) -> tuple[float, float]:
        """Below and above which a Q is refused."""
        width = max(self.high - self.low, UNTRAINED)
        return self.low - width, self.high + width


ANYTHING = ValueRange(-math.inf, math.inf)


class Signs(NamedTuple):
    """Numbers of an update that tell whether it went wrong, where they were computed.

    Attributes:
        names: of the quantities.
        numbers: these, then the smallest and the largest Q; shape (len(names) + 2,), or with a
            first axis of learners.
    """

    names: tuple[str, ...]
    numbers: Tensor


def signs(values: Tensor, quantities: dict[str, Tensor]) -> Signs:
    """Of critic values (2, batch) and of scalars, or of several learners', along a first axis."""
    q = values.flatten(-2).aminmax(dim=-1)
    return Signs(tuple(quantities), torch.stack([*quantities.values(), q.min, q.max], -1))


def wrong(found: Signs, possible: ValueRange) -> Tensor:
    """1.0 if any learner's update went wrong, else 0.0; shape (), without waiting for a device."""
    low, high = possible.bounds()
    q = found.numbers[..., -2:]
    good = found.numbers.isfinite().all() & (q >= low).all() & (q <= high).all()
    return 1.0 - good.float()  # Adam's kernel takes no other type


def faults(found: Signs, possible: ValueRange) -> list[str | None]:
    """What went wrong, in words, for each learner; of signs on the host."""
    rows = found.numbers.reshape(-1, len(found.names) + 2).tolist()
    return [_fault(found.names, row, possible) for row in rows]


def _fault(names: tuple[str, ...], row: list[float], possible: ValueRange) -> str | None:
    """The first quantity that is not finite, or a Q far off."""
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
    """What a discounted sum of rewards can be, each one of `rewards`, (n,), or 0 after the end."""
    low, high = min(float(rewards.min()), 0.0), max(float(rewards.max()), 0.0)
    return ValueRange(low / (1 - discount), high / (1 - discount))
