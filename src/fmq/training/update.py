"""One update of a policy and its critics: targets, losses, gradient, step.

The functions read as if there were a single seed and no compiler. `fmq.training.updater` calls them
for several seeds at once, compiled, or recorded as a CUDA graph.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from fmq.data.sequences import Batch
from fmq.method.critic import aggregate, bellman_target, critic_loss, update_target
from fmq.training.actor_losses import ActorInputs
from fmq.training.adam import adam_step
from fmq.training.learner import Learner, Networks
from fmq.training.objective import Draws, Objective
from fmq.training.vectors import Vectors

Losses = tuple[Tensor, Tensor, dict[str, Tensor]]


def losses(
    learner: Learner,
    objective: Objective,
    weights: Tensor,
    target: Tensor,
    offline: Tensor,
    batch: Batch,
    draws: Draws,
    progress: Tensor,
) -> Losses:
    """Return the loss of policy and critics, critic values (2, batch), and the single losses.

    Args:
        learner: supplies the networks' shapes and the normaliser, but no weights.
        weights, target, offline: as in `fmq.training.vectors.Vectors`, of one learner.
        batch: chunks with raw observations.
        progress: progress of the interval curriculum, shape ().
    """
    networks = learner.networks_with(weights, target, offline)
    batch = batch._replace(
        observations=learner.normalizer(batch.observations),
        next_observations=learner.normalizer(batch.next_observations),
    )
    wanted = critic_target(learner, objective, networks, batch, draws.candidates)
    values = networks.critic(batch.observations, batch.actions)
    value_loss = critic_loss(values, wanted, batch.whole)
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
    found = {"critic_loss": value_loss.detach(), "actor_loss": actor_loss.detach()}
    return value_loss + actor_loss, values.detach(), quantities | found


@torch.no_grad()
def critic_target(
    learner: Learner, objective: Objective, networks: Networks, batch: Batch, candidates: Tensor
) -> Tensor:
    """Return the target of both critics, shape (batch,), for normalised observations.

    The sampler chooses the next chunk among those made from `candidates`, noise of shape (batch,
    noises, H*A); the target critics value it.
    """
    chunks = objective.sampler.choose(*networks.pickers, batch.next_observations, candidates)
    values = networks.target(batch.next_observations, chunks)
    wanted = aggregate(values, objective.critic_target)
    return bellman_target(batch.rewards, batch.masks, wanted, *learner.backup)


def gradient(
    losses: Callable[..., Losses], weights: Tensor, *inputs: Tensor | Batch | Draws
) -> Losses:
    """Return what `losses` returns, with its gradient in the weights in place of the loss.

    Args:
        losses: `losses` with its first two arguments bound.
        weights: its weights, shape (n,).
        inputs: its other arguments.
    """
    with torch.enable_grad():
        weights = weights.detach().requires_grad_(True)
        loss, values, quantities = losses(weights, *inputs)
        (vector,) = torch.autograd.grad(loss, weights)
    return vector, values, quantities


def step(vectors: Vectors, gradient: Tensor, objective: Objective, skip: Tensor) -> None:
    """Take Adam's step and move the target critics, in place.

    Args:
        vectors, gradient: those of all seeds, one row each.
        skip: 1.0 to change nothing, else 0.0; shape ().
    """
    adam_step(vectors.weights, gradient, vectors.moments, objective.learning_rate, skip)
    critics = vectors.weights[..., -vectors.target.shape[-1] :]
    update_target(vectors.target, critics, objective.target_rate * (1 - skip))
