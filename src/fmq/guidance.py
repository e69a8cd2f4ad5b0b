"""Theorem 3.2: the optimal displacement of a flow map inside a trust region, and its loss.

Maximising the first-order expansion of Q(s, .) at a_1 subject to || u_{r,1} - u_off_{r,1} || <= eta
makes the constraint active (multiplier || grad Q || / eta), hence

    u*_{r,1}(a_r | s) = u_off_{r,1}(a_r | s) + eta grad_a Q(s, a_1) / || grad_a Q(s, a_1) ||,
    a_1 = a_r + (1 - r) u_off_{r,1}(a_r | s).
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from fmq.critic import aggregate
from fmq.flow import Velocity, interpolate, masked_error

CriticFunction = Callable[[Tensor, Tensor], Tensor]
NORM_GUARD = 1e-8  # keeps the direction finite where the gradient vanishes


class FMQTarget(NamedTuple):
    """What the FMQ loss regresses on.

    Attributes:
        velocity: u*_{r,1}, shape (batch, H*A).
        offline_velocity: u_off_{r,1}, shape (batch, H*A).
        eta: effective trust-region radius, shape (batch,).
    """

    velocity: Tensor
    offline_velocity: Tensor
    eta: Tensor


def normalized(gradient: Tensor) -> Tensor:
    """Unit vectors along the last axis; zero where the gradient is zero."""
    return gradient / (torch.linalg.vector_norm(gradient, dim=-1, keepdim=True) + NORM_GUARD)


def value_and_gradient(
    critic: CriticFunction, observations: Tensor, actions: Tensor, how: str
) -> tuple[Tensor, Tensor]:
    """Critic values (2, ...) at `actions`, and an action gradient (..., H*A).

    Critics that bring their own `value_and_gradient` are asked for it, because that is faster.

    Args:
        how: the gradient is the ``first`` critic's, or of the ``min`` or ``mean`` over both.
    """
    if hasattr(critic, "value_and_gradient"):
        return critic.value_and_gradient(observations, actions, how)
    with torch.enable_grad():
        actions = actions.detach().requires_grad_(True)
        values = critic(observations, actions)
        reduced = values[0] if how == "first" else aggregate(values, how)
        (gradient,) = torch.autograd.grad(reduced.sum(), actions)
    return values.detach(), gradient


def values_then_gradient(
    critic: CriticFunction, observations: Tensor, actions: Tensor, how: str
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Critic values (2, batch, N), and the gradient at those of the chunks that are asked for.

    Critics that bring their own need no second pass through the networks for the gradient.

    Args:
        how: the gradient is of the ``min`` or the ``mean`` over both critics.

    Returns:
        the values, and a function from n rows, counted through batch and N, to (n, H*A).
    """
    if hasattr(critic, "values_then_gradient"):
        return critic.values_then_gradient(observations, actions, how)

    def gradient_at(rows: Tensor) -> Tensor:
        there = observations.flatten(0, 1)[rows], actions.flatten(0, 1)[rows]
        return value_and_gradient(critic, *there, how)[1]

    return critic(observations, actions), gradient_at


def adaptive_radius(values: Tensor, eta: float, beta: float) -> Tensor:
    """eta_eff = eta / (1 + beta d), shape (batch,): a smaller step where the critics disagree.

    Args:
        values: critic values, shape (2, batch).
        beta: sensitivity; d is the critics' standard deviation divided by its batch mean.
    """
    deviation = values.std(0, correction=0)
    return eta / (1 + beta * deviation / (deviation.mean() + NORM_GUARD))


def fmq_target(
    offline_velocity: Velocity,
    critic: CriticFunction,
    observations: Tensor,
    a_r: Tensor,
    r: Tensor,
    *,
    eta: float,
    beta: float,
    gradient_at: Tensor | None = None,
) -> FMQTarget:
    """Optimal average velocity of Theorem 3.2, with the gradient of the first critic.

    Args:
        a_r: interpolant at time r, shape (batch, H*A).
        r: shape (batch, 1).
        eta: radius of the trust region.
        beta: sensitivity of the adaptive radius; 0 keeps it fixed at eta.
        gradient_at: average velocity that leads to the chunk of the gradient, shape (batch, H*A);
            the offline policy's unless given.
    """
    with torch.no_grad():
        u_off = offline_velocity(observations, a_r, r, torch.ones_like(r))
        towards = u_off if gradient_at is None else gradient_at
        a_1 = (a_r + (1 - r) * towards).clamp(-1, 1)
    values, gradient = value_and_gradient(critic, observations, a_1, "first")
    radius = adaptive_radius(values, eta, beta)
    return FMQTarget(u_off + radius.unsqueeze(-1) * normalized(gradient), u_off, radius)


def fmq_loss(
    velocity: Velocity,
    offline_velocity: Velocity,
    critic: CriticFunction,
    observations: Tensor,
    actions: Tensor,
    valid: Tensor,
    noise: Tensor,
    r: Tensor,
    *,
    eta: float,
    beta: float,
    gradient_at: str = "offline",
) -> tuple[Tensor, FMQTarget]:
    """|| u_{r,1}(a_r) - sg u*_{r,1} ||^2 with r ~ U[0, 1), and the target it used.

    Shapes as in `fmq.flow`: observations (batch, O), actions and noise (batch, H*A),
    valid (batch, H), r (batch, 1).

    Args:
        gradient_at: the policy, ``offline`` or ``online``, at whose chunk the gradient is taken.
    """
    a_r = interpolate(noise, actions, r)
    prediction = velocity(observations, a_r, r, torch.ones_like(r))
    target = fmq_target(
        offline_velocity,
        critic,
        observations,
        a_r,
        r,
        eta=eta,
        beta=beta,
        gradient_at=prediction.detach() if gradient_at == "online" else None,
    )
    return masked_error(prediction - target.velocity, valid), target
