"""What goes into an update, and what comes out of it."""

from typing import NamedTuple

from torch import Tensor

from fmq.data.sequences import Batch
from fmq.policy import Sampler
from fmq.training.actor_losses import ActorLoss
from fmq.training.divergence import Signs


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
    """What an update computes before anything is changed.

    Attributes:
        vector: the gradient of all weights, as one vector.
        values: of the critics at the batch's chunks, shape (2, batch).
        quantities: losses and norms, for the metrics.
    """

    vector: Tensor
    values: Tensor
    quantities: dict[str, Tensor]


class Unsettled(NamedTuple):
    """An update that was not yet looked at: its gradient step, its batch, and what tells."""

    step: int
    batch: Batch
    signs: Signs
