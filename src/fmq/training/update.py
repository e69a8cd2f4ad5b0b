"""One update of a policy and its critics: targets, losses, gradient, step.

Losses and gradients read as if there were a single seed and no compiler. `fmq.training.updater`
calls them for several seeds at once, compiled, or recorded as a CUDA graph.
"""

import torch
from torch import Tensor

from fmq.data.sequences import Batch
from fmq.method.critic import aggregate, bellman_target, critic_loss, update_target
from fmq.methods.losses import ActorInputs
from fmq.networks.layout import joined
from fmq.training.adam import adam_step
from fmq.training.learner import Learner, Networks
from fmq.training.objective import Draws, Objective
from fmq.training.vectors import Vectors

Losses = tuple[Tensor, Tensor, dict[str, Tensor]]


def losses(
    learner: Learner,
    objective: Objective,
    networks: Networks,
    batch: Batch,
    draws: Draws,
    progress: Tensor,
) -> Losses:
    """Return the loss of policy and critics, critic values (2, batch), and the single losses.

    Args:
        networks: the learner's networks, with its own weights or others.
        batch: chunks with raw observations.
        progress: progress of the interval curriculum, shape ().
    """
    batch = batch._replace(
        observations=learner.normalizer(batch.observations),
        next_observations=learner.normalizer(batch.next_observations),
    )
    target = critic_target(learner, objective, networks, batch, draws.candidates)
    values = networks.critic(batch.observations, batch.actions)
    value_loss = critic_loss(values, target, batch.whole)
    inputs = ActorInputs(
        networks.actor,
        networks.offline_actor,
        networks.critic,
        batch,
        draws.noise,
        draws.times,
        progress,
    )
    actor_loss, quantities = objective.actor_loss.loss(inputs)
    quantities |= {"critic_loss": value_loss, "actor_loss": actor_loss}
    detached = {name: quantity.detach() for name, quantity in quantities.items()}
    return value_loss + actor_loss, values.detach(), detached


@torch.no_grad()
def critic_target(
    learner: Learner, objective: Objective, networks: Networks, batch: Batch, candidates: Tensor
) -> Tensor:
    """Return the target of both critics, shape (batch,), for normalised observations.

    The sampler chooses the next chunk among those made from `candidates`, noise of shape (batch,
    noises, H*A); the target critics value it.
    """
    chunks = objective.sampler.choose(*networks.pickers, batch.next_observations, candidates)
    values = aggregate(networks.target(batch.next_observations, chunks), objective.critic_target)
    return bellman_target(batch.rewards, batch.masks, values, *learner.backup)


def gradient(
    learner: Learner, objective: Objective, batch: Batch, draws: Draws, progress: Tensor
) -> Losses:
    """Return what `losses` returns, with its gradient (n,) in all weights in place of the loss."""
    networks = learner.networks()
    loss, values, quantities = losses(learner, objective, networks, batch, draws, progress)
    return joined(torch.autograd.grad(loss, learner.parameters)), values, quantities


def step(vectors: Vectors, gradient: Tensor, objective: Objective, skip: Tensor) -> None:
    """Move the target critics towards the critics, then take Adam's step, in place.

    As in the authors' released code, the average takes the critics as they were before the step.

    Args:
        vectors, gradient: those of all seeds, one row each.
        skip: 1.0 to change nothing, else 0.0; shape ().
    """
    training = objective.training
    critics = vectors.weights[..., -vectors.target.shape[-1] :]
    update_target(vectors.target, critics, training.target_rate * (1 - skip))
    adam_step(vectors.weights, gradient, vectors.moments, training.learning_rate, skip)
