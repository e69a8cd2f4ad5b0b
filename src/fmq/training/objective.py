"""What a stage or a method minimises, and the numbers that go into it and come out."""

from typing import NamedTuple

from torch import Tensor

from fmq.policy import Sampler
from fmq.training.actor_losses import ActorLoss


class Objective(NamedTuple):
    """What distinguishes one stage or method from another.

    Attributes:
        actor_loss: loss of the policy.
        sampler: picks the next chunk in the critic target.
        critic_target: ``mean`` or ``min`` over the target critics.
    """

    actor_loss: ActorLoss
    sampler: Sampler
    critic_target: str


class Draws(NamedTuple):
    """The random numbers of one update.

    Attributes:
        candidates: noise of the critic target's sampler, shape (batch, noises, H*A).
        noise: standard normal numbers of the actor loss, shape (noises, batch, H*A).
        times: uniform numbers of the actor loss, shape (times, batch, 1).
    """

    candidates: Tensor
    noise: Tensor
    times: Tensor


class Gradients(NamedTuple):
    """What an update computes before anything is changed; of several learners, along a first axis.

    Attributes:
        vector: the gradient of all weights, as one vector, shape (weights,).
        values: of the critics at the batch's chunks, shape (2, batch).
        quantities: losses and norms, for the metrics, shape () each.
    """

    vector: Tensor
    values: Tensor
    quantities: dict[str, Tensor]
