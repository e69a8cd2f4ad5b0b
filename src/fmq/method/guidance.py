"""Theorem 3.2: the optimal displacement of a flow map inside a trust region, and the FMQ loss.

Maximising the first-order expansion of Q(s, .) at a_1 subject to || u_{r,1} - u_off_{r,1} || <= eta
makes the constraint active (multiplier || grad Q || / eta). The maximiser is

    u*_{r,1}(a_r | s) = u_off_{r,1}(a_r | s) + eta grad_a Q(s, a_1) / || grad_a Q(s, a_1) ||,
    a_1 = a_r + (1 - r) u_off_{r,1}(a_r | s).
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from fmq.method.critic import aggregate
from fmq.method.flow import Velocity, interpolate, masked_error

CriticFunction = Callable[[Tensor, Tensor], Tensor]
NORM_GUARD = 1e-8  # avoids division by zero where the gradient or the deviation vanishes


class FMQTarget(NamedTuple):
    """The regression target of the FMQ loss.

    Attributes:
        velocity: optimal average velocity u*_{r,1}, shape (batch, H*A).
        offline_velocity: average velocity of the offline policy u_off_{r,1}, shape (batch, H*A).
        eta: effective trust-region radius, shape (batch,).
    """

    velocity: Tensor
    offline_velocity: Tensor
    eta: Tensor


def normalized(gradient: Tensor) -> Tensor:
    """Return a gradient (..., H*A) divided by its length; a zero gradient stays zero."""
    return gradient / (torch.linalg.vector_norm(gradient, dim=-1, keepdim=True) + NORM_GUARD)


def value_and_gradient(
    critic: CriticFunction, observations: Tensor, actions: Tensor, how: str
) -> tuple[Tensor, Tensor]:
    """Return critic values (2, ...) at `actions` and an action gradient (..., H*A).

    A `value_and_gradient` method of the critic is used if there is one, because it is faster.

    Args:
        critic: returns values of shape (2, ...).
        observations: shape (..., O).
        actions: shape (..., H*A).
        how: what the gradient is taken of: the ``first`` critic, or the ``min`` or ``mean`` of
            both.
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
    """Return critic values (2, batch, N) and a function that computes gradients at chosen chunks.

    A `values_then_gradient` method of the critic is used if there is one: it needs no second
    forward pass for the gradient.

    Args:
        how: what the gradient is taken of: the ``min`` or ``mean`` of both critics.

    Returns:
        The values, and a function from n row indices into the flattened (batch * N) axis to action
        gradients of shape (n, H*A).
    """
    if hasattr(critic, "values_then_gradient"):
        return critic.values_then_gradient(observations, actions, how)

    def gradient_at(rows: Tensor) -> Tensor:
        there = observations.flatten(0, 1)[rows], actions.flatten(0, 1)[rows]
        return value_and_gradient(critic, *there, how)[1]

    return critic(observations, actions), gradient_at


def adaptive_radius(values: Tensor, eta: float, beta: float) -> Tensor:
    """Return eta_eff = eta / (1 + beta d), shape (batch,): smaller where the critics disagree.

    The disagreement d is the standard deviation over the critics divided by its batch mean.

    Args:
        values: critic values, shape (2, batch).
        eta: trust-region radius.
        beta: sensitivity to the disagreement.
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
    beta: float = 0.0,
    gradient_at: Tensor | None = None,
) -> FMQTarget:
    """Compute the optimal average velocity of Theorem 3.2 with the first critic's gradient.

    Args:
        offline_velocity: u_off, the velocity of the offline policy.
        critic: returns values of shape (2, batch).
        observations: shape (batch, O).
        a_r: interpolant at time r, shape (batch, H*A).
        r: flow time, shape (batch, 1).
        eta: trust-region radius.
        beta: sensitivity of the adaptive radius; 0 keeps it fixed at eta.
        gradient_at: average velocity that leads from a_r to the chunk at which the gradient is
            taken, shape (batch, H*A); by default that of the offline policy. The critics'
            disagreement is always that at the offline policy's chunk.
    """
    with torch.no_grad():
        u_off = offline_velocity(observations, a_r, r, torch.ones_like(r))
        offline_chunk = (a_r + (1 - r) * u_off).clamp(-1, 1)
    if gradient_at is None:
        values, gradient = value_and_gradient(critic, observations, offline_chunk, "first")
    else:
        chunk = (a_r + (1 - r) * gradient_at).clamp(-1, 1)
        _, gradient = value_and_gradient(critic, observations, chunk, "first")
        with torch.no_grad():
            values = critic(observations, offline_chunk)
    radius = adaptive_radius(values, eta, beta)
    return FMQTarget(u_off + radius.unsqueeze(-1) * normalized(gradient), u_off, radius)


def fmq_loss(
    velocity: Velocity,
    offline_velocity: Velocity,
    critic: CriticFunction,
    observations: Tensor,
    actions: Tensor,
    noise: Tensor,
    r: Tensor,
    *,
    eta: float,
    beta: float = 0.0,
    gradient_at: str = "offline",
    valid: Tensor | None = None,
) -> tuple[Tensor, FMQTarget]:
    """Return the loss || u_{r,1}(a_r) - sg u*_{r,1} ||^2 with r ~ U[0, 1), and its target.

    Args:
        velocity: u, the policy in training.
        offline_velocity: u_off, the frozen policy at the centre of the trust region.
        critic: returns values of shape (2, batch); none of its weights gets a gradient.
        observations: shape (batch, O).
        actions: chunks a_1 of the data, shape (batch, H*A).
        noise: a_0, shape (batch, H*A).
        r: flow times, shape (batch, 1).
        eta: trust-region radius.
        beta: sensitivity of the adaptive radius; 0 keeps it fixed at eta.
        gradient_at: the policy, ``offline`` or ``online``, at whose chunk the critic's gradient is
            taken.
        valid: as in `fmq.method.flow.masked_error`, shape (batch, H).
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
