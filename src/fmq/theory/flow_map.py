"""A flow map against the flow of its own diagonal, and against itself in two jumps."""

from typing import Any

import torch
from torch import Tensor

from fmq.flow import Velocity, flow_map, interpolate

JUMPS = (0.1, 0.25, 0.5, 0.75, 1.0)
STEPS = 64  # of Runge and Kutta's fourth order, however long the jump


@torch.no_grad()
def integrate(
    velocity: Velocity, observations: Tensor, actions: Tensor, r: Tensor, steps: int
) -> Tensor:
    """End at time 1 of the flow da/dt = u_{t,t}(a | s) that is at `actions` at time r.

    Args:
        r: shape (batch, 1); each row takes `steps` steps of its own length.
    """
    h = (1 - r) / steps
    for step in range(steps):
        t = r + step * h
        middle, end = t + h / 2, t + h
        k1 = velocity(observations, actions, t, t)
        k2 = velocity(observations, actions + h / 2 * k1, middle, middle)
        k3 = velocity(observations, actions + h / 2 * k2, middle, middle)
        k4 = velocity(observations, actions + h * k3, end, end)
        actions = actions + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return actions


@torch.no_grad()
def measure(
    velocity: Velocity, observations: Tensor, chunks: Tensor, noise: Tensor
) -> list[dict[str, Any]]:
    """A row per jump size 1 - r: mean Euclidean distances of chunks, not clipped.

    `flow_error` is between X_{r,1}(a_r) and the flow from a_r; `semigroup_error` between
    X_{t,1}(X_{r,t}(a_r)) with t halfway and X_{r,1}(a_r); `distance` is how far the flow goes, and
    `integration_error` what twice as long steps change about its end.

    Args:
        observations: shape (batch, O).
        chunks, noise: the ends of the interpolant a_r, shape (batch, H*A).
    """
    rows, jumps = len(chunks), torch.tensor(JUMPS, dtype=chunks.dtype)
    # Every jump size at once: one long batch, grouped by size.
    r = (1 - jumps).repeat_interleave(rows).unsqueeze(-1)
    observations = observations.repeat(len(JUMPS), 1)
    a_r = interpolate(noise.repeat(len(JUMPS), 1), chunks.repeat(len(JUMPS), 1), r)
    one, halfway = torch.ones_like(r), (1 + r) / 2
    end = integrate(velocity, observations, a_r, r, STEPS)
    jump = flow_map(velocity, observations, a_r, r, one)
    first = flow_map(velocity, observations, a_r, r, halfway)
    second = flow_map(velocity, observations, first, halfway, one)
    distances = {
        "flow_error": jump - end,
        "semigroup_error": second - jump,
        "distance": end - a_r,
        "integration_error": integrate(velocity, observations, a_r, r, STEPS // 2) - end,
    }
    means = {
        name: torch.linalg.vector_norm(one, dim=-1).view(len(JUMPS), rows).mean(1)
        for name, one in distances.items()
    }
    return [
        {"jump": size, **{name: float(mean[place]) for name, mean in means.items()}, "states": rows}
        for place, size in enumerate(JUMPS)
    ]
