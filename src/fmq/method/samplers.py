"""Samplers for inference: best-of-N and Q-guided beam search (QGBS).

Noise is an argument, so that samplers are pure functions.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from fmq.method.critic import aggregate
from fmq.method.flow import Velocity, flow_map, one_step
from fmq.method.guidance import (
    CriticFunction,
    normalized,
    value_and_gradient,
    values_then_gradient,
)


def repeat_observations(observations: Tensor, count: int) -> Tensor:
    """Expand observations (batch, O) to (batch, count, O), without copying."""
    return observations.unsqueeze(-2).expand(-1, count, -1)


def select_best(actions: Tensor, values: Tensor) -> Tensor:
    """Return the candidate with the highest value.

    Args:
        actions: candidate chunks, shape (batch, N, H*A).
        values: their values, shape (batch, N).

    Returns:
        The best chunk of each row, shape (batch, H*A).
    """
    best = values.argmax(-1)
    return actions[torch.arange(len(best), device=best.device), best]


def best_of_n(critic: CriticFunction, observations: Tensor, candidates: Tensor, how: str) -> Tensor:
    """Return the best of N candidate chunks under the critics.

    Args:
        critic: returns values of shape (2, batch, N).
        observations: shape (batch, O).
        candidates: chunks from `fmq.method.flow.one_step` or `fmq.method.flow.euler`, shape
            (batch, N, H*A).
        how: ``mean`` or ``min`` over the two critics.

    Returns:
        The best chunk of each row, shape (batch, H*A).
    """
    repeated = repeat_observations(observations, candidates.shape[1])
    return select_best(candidates, aggregate(critic(repeated, candidates), how))


def qgbs(
    velocity: Velocity,
    critic: CriticFunction,
    observations: Tensor,
    noise: Tensor,
    renoise: Sequence[Tensor],
    *,
    eta: float,
    rho: float,
    completion: str,
    step_without_rounds: bool = False,
) -> Tensor:
    """Run Q-guided beam search, with M (1 + K B) velocity evaluations per action.

    The one-step map proposes M candidates. In each of K rounds, every candidate is copied B times;
    the copies are re-noised to t' = rho / (1 + rho) and completed. The M best of the M*B chunks
    under the minimum of the two critics are kept, and move by eta along its normalised gradient.
    The best candidate of the last round is returned. K = 0 is best-of-M.

    Args:
        critic: returns values of shape (2, batch, M).
        observations: shape (batch, O).
        noise: noise of the first M candidates, shape (batch, M, H*A).
        renoise: noise of each of the K rounds, shape (batch, M*B, H*A) each.
        eta: length of the gradient step.
        rho: re-noising ratio, which sets t'.
        completion: ``flow_map`` for X_{t',1} (the paper), or ``diagonal`` for
            a + (1 - t') u_{t',t'} (the authors' released code).
        step_without_rounds: whether K = 0 moves the M candidates, too (the authors' released code).

    Returns:
        The best chunk of each row, shape (batch, H*A).
    """
    batch, beam, size = noise.shape
    time = rho / (1 + rho)
    repeated = repeat_observations(observations, beam)
    candidates = one_step(velocity, repeated, noise)
    for fresh in renoise:
        copies = fresh.shape[1] // beam
        noisy = time * candidates.repeat_interleave(copies, 1) + (1 - time) * fresh
        wide = repeat_observations(observations, fresh.shape[1])
        completed = complete(velocity, wide, noisy, time, completion)
        values, gradient_at = values_then_gradient(critic, wide, completed, "min")
        # Worst first: the order decides which candidate gets which noise in the next round.
        kept = aggregate(values, "min").argsort(-1)[:, -beam:]
        first = torch.arange(batch, device=kept.device).unsqueeze(-1) * fresh.shape[1]
        rows = (first + kept).flatten()
        moved = completed.flatten(0, 1)[rows] + eta * normalized(gradient_at(rows))
        candidates = moved.clamp(-1, 1).view(batch, beam, size)
    if step_without_rounds and not renoise:
        _, gradient = value_and_gradient(critic, repeated, candidates, "min")
        candidates = (candidates + eta * normalized(gradient)).clamp(-1, 1)
    return select_best(candidates, aggregate(critic(repeated, candidates), "min"))


def complete(
    velocity: Velocity, observations: Tensor, actions: Tensor, time: float, completion: str
) -> Tensor:
    """Carry chunks from flow time `time` to 1 in one step, and clip them to [-1, 1]."""
    start = actions.new_full((1,), time)
    if completion == "flow_map":
        return flow_map(velocity, observations, actions, start, torch.ones_like(start)).clamp(-1, 1)
    return (actions + (1 - time) * velocity(observations, actions, start, start)).clamp(-1, 1)
