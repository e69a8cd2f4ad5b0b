"""Actor losses by name: what a stage or an online method minimises besides the critic's loss."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from fmq import flow
from fmq.data.sequences import Batch
from fmq.flow import Velocity
from fmq.guidance import CriticFunction, fmq_loss, value_and_gradient
from fmq.settings import Study
from fmq.tasks import TaskSettings


class ActorInputs(NamedTuple):
    """What an actor loss may look at.

    Attributes:
        velocity: the policy in training.
        offline_velocity: the policy as it was at the end of offline training.
        critic: the current critics.
        batch: chunks with normalised observations.
        noise: standard normal numbers, shape (noises, batch, H*A).
        times: uniform numbers on [0, 1), shape (times, batch, 1).
        progress: of the interval curriculum, 0 to 1, shape ().
    """

    velocity: Velocity
    offline_velocity: Velocity
    critic: CriticFunction
    batch: Batch
    noise: Tensor
    times: Tensor
    progress: Tensor
    study: Study
    task: TaskSettings


class ActorLoss(NamedTuple):
    """A loss, and how much randomness it wants; it is drawn beforehand, all at once.

    Attributes:
        noises: noise vectors per chunk.
        times: uniform numbers per chunk.
        loss: the loss, and quantities for the metrics.
    """

    noises: int
    times: int
    loss: Callable[[ActorInputs], tuple[Tensor, dict[str, Tensor]]]


def _diagonal(inputs: ActorInputs, noise: Tensor, time: Tensor) -> Tensor:
    batch = inputs.batch
    return flow.diagonal_loss(
        inputs.velocity, batch.observations, batch.actions, batch.valid, noise, time
    )


def _self_distillation(inputs: ActorInputs, kind: str, noise: Tensor, times: Tensor) -> Tensor:
    """`times` are two for the interval and one for the split of PSD."""
    batch = inputs.batch
    r, t = flow.curriculum_interval(times[0], times[1], inputs.progress)
    data = (batch.observations, batch.actions, batch.valid, noise, r, t)
    if kind == "esd":
        return flow.esd_loss(inputs.velocity, *data)
    if kind == "lsd":
        return flow.lsd_loss(inputs.velocity, *data)
    return flow.psd_loss(inputs.velocity, *data, times[2])


def diagonal(inputs: ActorInputs) -> tuple[Tensor, dict[str, Tensor]]:
    """Flow matching alone: pre-training, and QC online."""
    return _diagonal(inputs, inputs.noise[0], inputs.times[0]), {}


def flow_map(inputs: ActorInputs) -> tuple[Tensor, dict[str, Tensor]]:
    """Flow matching and self-distillation: the offline flow map, and MVP online."""
    matching = _diagonal(inputs, inputs.noise[0], inputs.times[0])
    kind = inputs.study.offline.distillation
    distillation = _self_distillation(inputs, kind, inputs.noise[1], inputs.times[1:])
    return matching + distillation, {"distillation_loss": distillation.detach()}


def fmq(inputs: ActorInputs) -> tuple[Tensor, dict[str, Tensor]]:
    """Theorem 3.2's target, with optional diagonal and ESD losses beside it."""
    settings, batch = inputs.study.fmq, inputs.batch
    loss, target = fmq_loss(
        inputs.velocity,
        inputs.offline_velocity,
        inputs.critic,
        batch.observations,
        batch.actions,
        batch.valid,
        inputs.noise[0],
        inputs.times[0],
        eta=settings.eta,
        beta=settings.beta if settings.adaptive else 0.0,
        gradient_at=settings.gradient_at,
    )
    if settings.diagonal_weight:
        matching = _diagonal(inputs, inputs.noise[1], inputs.times[1])
        loss = loss + settings.diagonal_weight * matching
    if settings.distillation_weight:
        distillation = _self_distillation(inputs, "esd", inputs.noise[2], inputs.times[2:])
        loss = loss + settings.distillation_weight * distillation
    return loss, {"eta_effective": target.eta.mean()}


def fql(inputs: ActorInputs) -> tuple[Tensor, dict[str, Tensor]]:
    """QC-FQL: flow matching, and a one-step policy between the flow's own chunks and a higher Q.

    Flow Q-learning (arXiv 2502.02538, Eq. 8) on chunks, as in arXiv 2507.07969. The flow and the
    one-step policy, two networks there, are here the diagonal and X_{0,1} of one.
    """
    batch, noise = inputs.batch, inputs.noise[1]
    matching = _diagonal(inputs, inputs.noise[0], inputs.times[0])
    with torch.no_grad():
        steps = inputs.study.sampling.flow_steps
        flowed = flow.euler(inputs.velocity, batch.observations, noise, steps)
    zero = noise.new_zeros(len(noise), 1)
    jumped = flow.flow_map(inputs.velocity, batch.observations, noise, zero, zero + 1)
    distillation = (jumped - flowed).square().mean()
    chunks = jumped.clamp(-1, 1)
    values, gradient = value_and_gradient(
        inputs.critic, batch.observations, chunks.detach(), "mean"
    )
    # Its gradient in the policy is that of -Q; the critics are left alone.
    improvement = -(gradient * chunks).sum(-1).mean()
    loss = matching + inputs.task.fql_alpha * distillation + improvement
    return loss, {"distillation_loss": distillation.detach(), "policy_value": values.mean()}


ACTOR_LOSSES = {
    "diagonal": ActorLoss(1, 1, diagonal),
    "flow_map": ActorLoss(2, 4, flow_map),
    "fmq": ActorLoss(3, 4, fmq),
    "fql": ActorLoss(2, 1, fql),
}
