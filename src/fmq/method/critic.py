"""The chunked critic: Bellman target, loss and moving-average target network."""

import torch
from torch import Tensor


def aggregate(values: Tensor, how: str) -> Tensor:
    """Reduce critic values (2, ...) to (...): ``mean``, or ``min`` for clipped double Q."""
    return values.mean(0) if how == "mean" else values.amin(0)


def bellman_target(
    rewards: Tensor, masks: Tensor, next_values: Tensor, discount: float, horizon: int
) -> Tensor:
    """Return y = R_{H-1} + gamma^H mask_{H-1} Q_target(s', a'), shape (batch,) (Eq. 8 for chunks).

    Args:
        rewards: discounted return over the chunk, sum_k gamma^k r_k, shape (batch,).
        masks: 0 where the task ended within the chunk, shape (batch,).
        next_values: target value of the next chunk, shape (batch,).
        discount: gamma, per step.
        horizon: H, steps of a chunk.
    """
    return rewards + discount**horizon * masks * next_values


def critic_loss(values: Tensor, target: Tensor, whole: Tensor) -> Tensor:
    """Return the mean squared Bellman error over critics and batch.

    Args:
        values: critic values, shape (2, batch).
        target: Bellman target, shape (batch,); no gradient flows through it.
        whole: 0 for chunks that cross the end of an episode, which count as zero error, else 1;
            shape (batch,).
    """
    return ((values - target.detach()).square() * whole).mean()


@torch.no_grad()
def update_target(target: Tensor, online: Tensor, rate: float | Tensor) -> None:
    """Update the target's moving average in place: target <- target + rate (online - target).

    Args:
        target, online: weights of the same shape.
        rate: tau, the share of the new weights.
    """
    target.lerp_(online, rate)
