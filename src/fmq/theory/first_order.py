"""Compare Q(s, a_1 + eta g / || g ||) - Q(s, a_1) with its first-order expansion eta || g ||."""

from typing import Any

import torch
from torch import Tensor

from fmq.method.guidance import CriticFunction, normalized, value_and_gradient

RADII = (0.05, 0.1, 0.2, 0.5, 1.0, 1.5, 2.0)


@torch.no_grad()
def measure(critic: CriticFunction, observations: Tensor, chunks: Tensor) -> list[dict[str, Any]]:
    """Return a row per radius: means over the batch, and the share of states at which Q rises.

    Args:
        critic: its first value is Q.
        observations: shape (batch, O).
        chunks: a_1, shape (batch, H*A).
    """
    chunks = chunks.clamp(-1, 1)
    values, gradient = value_and_gradient(critic, observations, chunks, "first")
    slope = torch.linalg.vector_norm(gradient, dim=-1)
    rows = []
    for eta in RADII:
        moved = critic(observations, chunks + eta * normalized(gradient))
        gain = moved[0] - values[0]
        rows.append(
            {
                "eta": eta,
                "gain": float(gain.mean()),
                "predicted": float(eta * slope.mean()),
                "raised": float((gain > 0).double().mean()),
                "states": len(chunks),
            }
        )
    return rows
