"""Measure whether training on the FMQ target raises Q, with the initial critics fixed."""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fmq.config.study import Study
from fmq.data.sequences import Batch
from fmq.method.flow import Velocity, interpolate
from fmq.method.guidance import CriticFunction, fmq_loss, fmq_target, value_and_gradient
from fmq.networks.layout import joined
from fmq.networks.velocity import VelocityNetwork
from fmq.training.adam import adam_step, no_moments
from fmq.training.vectors import flatten

MEASURED = (0, 1, 2, 5, 10, 20, 50, 100, 200, 400)  # gradient steps before each measurement


class Yardstick(NamedTuple):
    """A fixed batch, with the offline policy's chunks and the FMQ target on it.

    Attributes:
        observations: shape (batch, O).
        a_r: interpolants, shape (batch, H*A).
        r: flow times, shape (batch, 1).
        u_off: velocity of the offline policy, shape (batch, H*A).
        a_1: clipped chunks of the offline policy, shape (batch, H*A).
        value: Q at a_1, shape (batch,).
        gradient: gradient of Q at a_1, shape (batch, H*A).
        eta: radius of the trust region, shape (batch,).
        promised: (1 - r) <gradient, u* - u_off>, shape (batch,).
    """

    observations: Tensor
    a_r: Tensor
    r: Tensor
    u_off: Tensor
    a_1: Tensor
    value: Tensor
    gradient: Tensor
    eta: Tensor
    promised: Tensor


def make_yardstick(
    offline: Velocity,
    critic: CriticFunction,
    batch: Batch,
    noise: Tensor,
    r: Tensor,
    *,
    eta: float,
    beta: float,
) -> Yardstick:
    """Make a yardstick; the arguments are those of `fmq.method.guidance.fmq_loss`."""
    a_r = interpolate(noise, batch.actions, r)
    target = fmq_target(offline, critic, batch.observations, a_r, r, eta=eta, beta=beta)
    u_off = target.offline_velocity
    a_1 = (a_r + (1 - r) * u_off).clamp(-1, 1)
    values, gradient = value_and_gradient(critic, batch.observations, a_1, "first")
    promised = (gradient * (1 - r) * (target.velocity - u_off)).sum(-1)
    return Yardstick(
        batch.observations, a_r, r, u_off, a_1, values[0], gradient, target.eta, promised
    )


@torch.no_grad()
def row(yardstick: Yardstick, velocity: Velocity, critic: CriticFunction) -> dict[str, float]:
    """Return means over the yardstick's batch.

    ``gain`` is the gain in Q of the chunks that the policy would execute, clip(a_r + (1 - r) u).
    ``free_gain`` is that of a_1 + (1 - r) (u - u_off), which differs from ``predicted`` only by
    the error of the first-order expansion.
    """
    observations, a_r, r, u_off, a_1, value, gradient, eta, promised = yardstick
    u = velocity(observations, a_r, r, torch.ones_like(r))
    moved = (1 - r) * (u - u_off)
    gain = critic(observations, (a_r + (1 - r) * u).clamp(-1, 1))[0] - value
    free_gain = critic(observations, a_1 + moved)[0] - value
    quantities = {
        "displacement": torch.linalg.vector_norm(u - u_off, dim=-1),
        "eta": eta,
        "gain": gain,
        "free_gain": free_gain,
        "predicted": (gradient * moved).sum(-1),
        "promised": promised,
        "raised": (gain > 0).double(),
    }
    return {name: float(one.mean()) for name, one in quantities.items()} | {"states": len(a_1)}


def measure(
    offline: VelocityNetwork,
    critic: CriticFunction,
    study: Study,
    sample: Callable[[int], Batch],
    states: int,
    generator: torch.Generator,
) -> list[dict[str, Any]]:
    """Train a copy of the offline policy; return a row for each step count in `MEASURED`.

    Args:
        offline: the velocity network of the offline policy.
        critic: its first value is Q; it stays fixed.
        study: the settings of FMQ and of training.
        sample: returns a batch of the given number of chunks of the data set.
        states: number of chunks in the fixed batch.
        generator: the random stream of noise and flow times.
    """
    settings = study.fmq
    eta, beta = settings.eta, settings.beta if settings.adaptive else 0.0

    def draw(count: int) -> tuple[Batch, Tensor, Tensor]:
        batch = sample(count)
        noise = torch.randn(batch.actions.shape, generator=generator, dtype=batch.actions.dtype)
        return batch, noise, torch.rand(count, 1, generator=generator, dtype=batch.actions.dtype)

    yardstick = make_yardstick(offline, critic, *draw(states), eta=eta, beta=beta)
    actor = copy.deepcopy(offline).requires_grad_(True)
    parameters = list(actor.parameters())
    weights = flatten(parameters)
    moments = no_moments(weights)
    rows = []
    for update in range(MEASURED[-1] + 1):
        if update in MEASURED:
            rows.append({"update": update, **row(yardstick, actor, critic)})
        batch, noise, r = draw(study.training.batch_size)
        data = (batch.observations, batch.actions, noise, r)
        loss, _ = fmq_loss(actor, offline, critic, *data, eta=eta, beta=beta, valid=batch.valid)
        gradient = joined(torch.autograd.grad(loss, parameters))
        adam_step(weights, gradient, moments, study.training.learning_rate)
    return rows
