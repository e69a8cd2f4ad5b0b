"""Inference: best-of-N and Q-guided beam search (QGBS).

Noise is passed in, so that a sampler is a pure function of its arguments.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from fmq.critic import aggregate
from fmq.flow import Velocity, flow_map, one_step
from fmq.guidance import CriticFunction, normalized, values_then_gradient


def repeat_observations(observations: Tensor, count: int) -> Tensor:
    """(batch, O) -> (batch, count, O), without copying."""
    return observations.unsqueeze(-2).expand(-1, count, -1)


def select_best(actions: Tensor, values: Tensor) -> Tensor:
    """The candidate with the highest value: (batch, N, H*A) and (batch, N) -> (batch, H*A)."""
    best = values.argmax(-1)
    return actions[torch.arange(len(best), device=best.device), best]


def best_of_n(critic: CriticFunction, observations: Tensor, candidates: Tensor, how: str) -> Tensor:
    """The best of N proposed chunks under the critics.

    Args:
        observations: (batch, O).
        candidates: (batch, N, H*A), from `fmq.flow.one_step` or `fmq.flow.euler`.
        how: ``mean`` or ``min`` over the two critics.

    Returns:
        (batch, H*A).
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
) -> Tensor:
    """Q-guided beam search: M (1 + K B) network evaluations per action.

    M candidates come from the one-step map. In each of K rounds every candidate gets B copies,
    re-noised to t' = rho / (1 + rho) and completed; the M best of the M*B under the smaller of the
    two critics move by eta along its normalised gradient. The best candidate is returned; K = 0
    is best-of-M.

    Args:
        observations: (batch, O).
        noise: (batch, M, H*A).
        renoise: K tensors of shape (batch, M*B, H*A).
        completion: ``flow_map`` for X_{t',1} (the paper), or ``diagonal`` for
            a + (1 - t') u_{t',t'} (the authors' released code).

    Returns:
        (batch, H*A).
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
        # Worst first: the order in which noise is handed out.
        kept = aggregate(values, "min").argsort(-1)[:, -beam:]
        first = torch.arange(batch, device=kept.device).unsqueeze(-1) * fresh.shape[1]
        rows = (first + kept).flatten()
        moved = completed.flatten(0, 1)[rows] + eta * normalized(gradient_at(rows))
        candidates = moved.clamp(-1, 1).view(batch, beam, size)
    return select_best(candidates, aggregate(critic(repeated, candidates), "min"))


def complete(
    velocity: Velocity, observations: Tensor, actions: Tensor, time: float, completion: str
) -> Tensor:
    """Carry chunks from flow time `time` to 1 in one step, clipped to [-1, 1]."""
    start = actions.new_full((1,), time)
    if completion == "flow_map":
        return flow_map(velocity, observations, actions, start, torch.ones_like(start)).clamp(-1, 1)
    return (actions + (1 - time) * velocity(observations, actions, start, start)).clamp(-1, 1)
