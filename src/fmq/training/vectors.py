"""Everything that training changes, as a few vectors of numbers; networks are views of them.

One kernel then serves what would take one for every layer's weight and bias, or for every seed's.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fmq.training.adam import Moments


class Vectors(NamedTuple):
    """Numbers of one learner, shape (n,) each, or of several, (learners, n).

    Attributes:
        weights: of the policy, then of the critics.
        target: weights of the target critics.
        offline: weights of the policy that the trust region is around.
        moments: Adam's, of `weights`; several learners count their steps together.
    """

    weights: Tensor
    target: Tensor
    offline: Tensor
    moments: Moments


def flatten(parameters: Iterable[nn.Parameter]) -> Tensor:
    """A vector of all parameters, which become views of it: what is done to it is done to them."""
    parameters = list(parameters)
    vector = torch.cat([p.detach().flatten() for p in parameters])
    point(parameters, vector)
    return vector


def point(parameters: Iterable[nn.Parameter], vector: Tensor) -> None:
    """Make parameters views of a vector, in their order."""
    parameters = list(parameters)
    parts = vector.split([p.numel() for p in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.data = part.view_as(parameter)


def stacked(several: Sequence[Vectors]) -> Vectors:
    """Copies of several learners' vectors as the rows of matrices."""
    weights, targets, offlines, moments = zip(*several, strict=True)
    averages, squares, steps = zip(*moments, strict=True)
    together = Moments(torch.stack(averages), torch.stack(squares), steps[0])
    return Vectors(torch.stack(weights), torch.stack(targets), torch.stack(offlines), together)


def copied(vectors: Vectors) -> Vectors:
    """The same numbers in vectors of their own: what writes a row, writes its whole matrix."""
    weights, target, offline, moments = vectors
    own = Moments(*(part.clone() for part in moments))
    return Vectors(weights.clone(), target.clone(), offline.clone(), own)


def row(vectors: Vectors, number: int) -> Vectors:
    """One of several learners' vectors, as views."""
    weights, target, offline, (average, square, steps) = vectors
    moments = Moments(average[number], square[number], steps)
    return Vectors(weights[number], target[number], offline[number], moments)
