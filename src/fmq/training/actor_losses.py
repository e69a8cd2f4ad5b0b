"""Actor losses, which a stage or an online method minimises together with the critic loss.

Each loss is built from the hyperparameters that it uses (`ACTOR_LOSSES`) and sees no other
settings.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from fmq.data.sequences import Batch
from fmq.method import flow
from fmq.method.flow import Velocity
from fmq.method.guidance import CriticFunction, fmq_loss, value_and_gradient


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


def _diagonal(inputs: ActorInputs, noise: Tensor, time: Tensor) -> Tensor:
    batch = inputs.batch
    return flow.diagonal_loss(
        inputs.velocity, batch.observations, batch.actions, batch.valid, noise, time
    )


def _self_distillation(inputs: ActorInputs, kind: str, noise: Tensor, times: Tensor) -> Tensor:
    """Return the distillation loss; `times` are two for the interval and one for PSD's split."""
    batch = inputs.batch
    r, t = flow.curriculum_interval(times[0], times[1], inputs.progress)
    data = (batch.observations, batch.actions, batch.valid, noise, r, t)
    if kind == "esd":
        return flow.esd_loss(inputs.velocity, *data)
    if kind == "lsd":
        return flow.lsd_loss(inputs.velocity, *data)
    return flow.psd_loss(inputs.velocity, *data, times[2])


def diagonal(inputs: ActorInputs) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the flow matching loss alone, as in pre-training and in QC online."""
    return _diagonal(inputs, inputs.noise[0], inputs.times[0]), {}


def flow_map(inputs: ActorInputs, *, distillation: str) -> tuple[Tensor, dict[str, Tensor]]:
    """Return flow matching plus self-distillation, as for the offline flow map and MVP online.

    Args:
        distillation: ``esd``, ``lsd`` or ``psd``.
    """
    matching = _diagonal(inputs, inputs.noise[0], inputs.times[0])
    distilled = _self_distillation(inputs, distillation, inputs.noise[1], inputs.times[1:])
    return matching + distilled, {"distillation_loss": distilled.detach()}


def fmq(
    inputs: ActorInputs,
    *,
    eta: float,
    adaptive: bool,
    beta: float,
    gradient_at: str,
    diagonal_weight: float,
    distillation_weight: float,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the regression on Theorem 3.2's target, plus optional diagonal and ESD losses.

    Args:
        eta: radius of the trust region.
        adaptive: whether the radius shrinks to eta / (1 + beta d) where the critics disagree by d.
        gradient_at: ``offline`` or ``online``, the policy at whose chunk the critic's gradient is
            taken.
        diagonal_weight, distillation_weight: weights of the additional losses; 0 leaves one out.
    """
    batch = inputs.batch
    loss, target = fmq_loss(
        inputs.velocity,
        inputs.offline_velocity,
        inputs.critic,
        batch.observations,
        batch.actions,
        batch.valid,
        inputs.noise[0],
        inputs.times[0],
        eta=eta,
        beta=beta if adaptive else 0.0,
        gradient_at=gradient_at,
    )
    if diagonal_weight:
        matching = _diagonal(inputs, inputs.noise[1], inputs.times[1])
        loss = loss + diagonal_weight * matching
    if distillation_weight:
        distillation = _self_distillation(inputs, "esd", inputs.noise[2], inputs.times[2:])
        loss = loss + distillation_weight * distillation
    return loss, {"eta_effective": target.eta.mean()}


def fql(inputs: ActorInputs, *, flow_steps: int, alpha: float) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss of QC-FQL: flow matching, and a one-step policy trained on the flow and on Q.

    The loss is that of Flow Q-learning (arXiv 2502.02538, Eq. 8), applied to chunks as in arXiv
    2507.07969. There, the flow and the one-step policy are two networks; here, they are the
    diagonal and X_{0,1} of one network.

    Args:
        flow_steps: Euler steps of the flow.
        alpha: weight of the squared distance between the one-step policy's chunks and the flow's.
    """
    batch, noise = inputs.batch, inputs.noise[1]
    matching = _diagonal(inputs, inputs.noise[0], inputs.times[0])
    with torch.no_grad():
        flowed = flow.euler(inputs.velocity, batch.observations, noise, flow_steps)
    zero = noise.new_zeros(len(noise), 1)
    jumped = flow.flow_map(inputs.velocity, batch.observations, noise, zero, zero + 1)
    distillation = (jumped - flowed).square().mean()
    chunks = jumped.clamp(-1, 1)
    values, gradient = value_and_gradient(
        inputs.critic, batch.observations, chunks.detach(), "mean"
    )
    # Its gradient with respect to the policy is that of -Q; the critics get none.
    improvement = -(gradient * chunks).sum(-1).mean()
    loss = matching + alpha * distillation + improvement
    return loss, {"distillation_loss": distillation.detach(), "policy_value": values.mean()}


ACTOR_LOSSES: dict[str, Callable[..., ActorLoss]] = {
    "diagonal": lambda: ActorLoss(1, 1, diagonal),
    "flow_map": lambda **numbers: ActorLoss(2, 4, partial(flow_map, **numbers)),
    "fmq": lambda **numbers: ActorLoss(3, 4, partial(fmq, **numbers)),
    "fql": lambda **numbers: ActorLoss(2, 1, partial(fql, **numbers)),
}
"""Builds each loss from the hyperparameters that a run is bound to (`fmq.pipeline.bindings`)."""
