"""Keep everything that training changes in a few vectors, of which networks are views.

One kernel then does what would otherwise take one kernel per layer's weight and bias, or per seed.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fmq.networks.layout import joined, parts
from fmq.training.adam import Moments


class Vectors(NamedTuple):
    """The numbers of one learner, shape (n,) each, or of several as rows, (learners, n).

    They lie as `fmq.networks.layout` says.

    Attributes:
        weights: weights of the policy, then of the critics.
        target: weights of the target critics.
        offline: weights of the policy at the centre of the trust region.
        moments: Adam's moments of `weights`; learners that are updated together share
            the count of steps.
    """

    weights: Tensor
    target: Tensor
    offline: Tensor
    moments: Moments


def flatten(parameters: Iterable[nn.Parameter]) -> Tensor:
    """Return a vector of all parameters, which become views of it and change with it."""
    parameters = list(parameters)
    vector = joined([parameter.detach() for parameter in parameters])
    point(parameters, vector)
    return vector


def point(parameters: Iterable[nn.Parameter], vector: Tensor) -> None:
    """Make parameters views of a vector, in their order."""
    parameters = list(parameters)
    for parameter, part in zip(parameters, parts(vector, parameters), strict=True):
        parameter.data = part


def copied(vectors: Vectors) -> Vectors:
    """Copy the numbers into separate vectors: saving a view of a row saves its whole matrix."""
    weights, target, offline, moments = vectors
    own = Moments(*(part.clone() for part in moments))
    return Vectors(weights.clone(), target.clone(), offline.clone(), own)


def row(vectors: Vectors, number: int) -> Vectors:
    """Return the vectors of one of several learners, as views."""
    weights, target, offline, (average, square, steps) = vectors
    moments = Moments(average[number], square[number], steps)
    return Vectors(weights[number], target[number], offline[number], moments)


def stacked(several: Sequence[Vectors]) -> Vectors:
    """Copy learners' vectors into the rows of matrices."""
    weights, targets, offlines, moments = zip(*several, strict=True)
    averages, squares, steps = zip(*moments, strict=True)
    joint = Moments(torch.stack(averages), torch.stack(squares), steps[0])
    return Vectors(torch.stack(weights), torch.stack(targets), torch.stack(offlines), joint)
