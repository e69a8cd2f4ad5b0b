"""Actor losses by name: what a stage or an online method minimises besides the critic's loss."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from fmq import flow
from fmq.data.sequences import Batch
from fmq.flow import Velocity
from fmq.guidance import CriticFunction, fmq_loss
from fmq.settings import Study


class ActorInputs(NamedTuple):
    """What an actor loss may look at.

    Attributes:
        velocity: the policy in training.
        offline_velocity: the policy as it was at the end of offline training.
        critic: the current critics.
        batch: chunks with normalised observations.
        step: gradient step, counted from the start of offline training.
        generator: source of its noise.
    """

    velocity: Velocity
    offline_velocity: Velocity
    critic: CriticFunction
    batch: Batch
    step: int
    generator: torch.Generator
    study: Study


ActorLoss = Callable[[ActorInputs], tuple[Tensor, dict[str, Tensor]]]


def _noise(inputs: ActorInputs) -> Tensor:
    actions = inputs.batch.actions
    return torch.empty_like(actions).normal_(generator=inputs.generator)


def _uniform(inputs: ActorInputs) -> Tensor:
    actions = inputs.batch.actions
    return actions.new_empty(len(actions), 1).uniform_(generator=inputs.generator)


def _diagonal(inputs: ActorInputs) -> Tensor:
    batch = inputs.batch
    return flow.diagonal_loss(
        inputs.velocity,
        batch.observations,
        batch.actions,
        batch.valid,
        _noise(inputs),
        _uniform(inputs),
    )


def _self_distillation(inputs: ActorInputs, kind: str) -> Tensor:
    offline, batch = inputs.study.offline, inputs.batch
    r, t = flow.curriculum_interval(
        _uniform(inputs), _uniform(inputs), inputs.step, offline.warmup_steps, offline.anneal_end
    )
    arguments = (
        inputs.velocity,
        batch.observations,
        batch.actions,
        batch.valid,
        _noise(inputs),
        r,
        t,
    )
    if kind == "esd":
        return flow.esd_loss(*arguments)
    if kind == "lsd":
        return flow.lsd_loss(*arguments)
    return flow.psd_loss(*arguments, _uniform(inputs))


def diagonal(inputs: ActorInputs) -> tuple[Tensor, dict[str, Tensor]]:
    """Flow matching alone: pre-training, and QC online."""
    return _diagonal(inputs), {}


def flow_map(inputs: ActorInputs) -> tuple[Tensor, dict[str, Tensor]]:
    """Flow matching and self-distillation: the offline flow map, and MVP online."""
    matching = _diagonal(inputs)
    distillation = _self_distillation(inputs, inputs.study.offline.distillation)
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
        _noise(inputs),
        _uniform(inputs),
        eta=settings.eta,
        beta=settings.beta if settings.adaptive else 0.0,
    )
    if settings.diagonal_weight:
        loss = loss + settings.diagonal_weight * _diagonal(inputs)
    if settings.distillation_weight:
        loss = loss + settings.distillation_weight * _self_distillation(inputs, "esd")
    return loss, {"eta_effective": target.eta.mean()}


ACTOR_LOSSES: dict[str, ActorLoss] = {"diagonal": diagonal, "flow_map": flow_map, "fmq": fmq}
