"""The type of a policy's loss, its inputs, and the terms that several methods share.

A method's `actor_loss` takes the settings that it uses by keyword and returns an `ActorLoss`, which
the learner minimises together with the critic loss.
"""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from fmq.data.sequences import Batch
from fmq.method import flow
from fmq.method.flow import Velocity
from fmq.method.guidance import CriticFunction


class ActorInputs(NamedTuple):
    """The inputs of an actor loss.

    Attributes:
        velocity: the policy in training.
        offline_velocity: the policy as it was at the end of offline training.
        critic: the current critics.
        batch: chunks with normalised observations.
        noise: standard normal numbers, shape (noises, batch, H*A).
        times: uniform numbers on [0, 1), shape (times, batch, 1).
        progress: progress of the interval curriculum, 0 to 1, shape ().
    """

    velocity: Velocity
    offline_velocity: Velocity
    critic: CriticFunction
    batch: Batch
    noise: Tensor
    times: Tensor
    progress: Tensor


class ActorLoss(NamedTuple):
    """An actor loss and the number of random values that it needs, which are drawn beforehand.

    Attributes:
        noises: noise vectors per chunk.
        times: uniform numbers per chunk.
        loss: returns the loss, and quantities for the metrics.
    """

    noises: int
    times: int
    loss: Callable[[ActorInputs], tuple[Tensor, dict[str, Tensor]]]


def matching(inputs: ActorInputs, noise: Tensor, time: Tensor) -> Tensor:
    """Return the flow-matching loss on the diagonal, shape ().

    Args:
        noise: standard normal numbers, shape (batch, H*A).
        time: uniform numbers on [0, 1), shape (batch, 1).
    """
    batch = inputs.batch
    return flow.diagonal_loss(
        inputs.velocity, batch.observations, batch.actions, noise, time, valid=batch.valid
    )


def self_distillation(inputs: ActorInputs, kind: str, noise: Tensor, times: Tensor) -> Tensor:
    """Return the self-distillation loss on the curriculum's intervals, shape ().

    Args:
        kind: ``esd``, ``lsd`` or ``psd``.
        noise: standard normal numbers, shape (batch, H*A).
        times: uniform numbers, two for the interval and one for PSD's split, shape (3, batch, 1).
    """
    batch = inputs.batch
    r, t = flow.curriculum_interval(times[0], times[1], inputs.progress)
    data = (batch.observations, batch.actions, noise, r, t)
    if kind == "esd":
        return flow.esd_loss(inputs.velocity, *data, valid=batch.valid)
    if kind == "lsd":
        return flow.lsd_loss(inputs.velocity, *data, valid=batch.valid)
    return flow.psd_loss(inputs.velocity, *data, times[2], valid=batch.valid)
