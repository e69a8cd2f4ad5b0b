"""Compare a flow map with the flow of its own diagonal, and with itself in two jumps."""

from typing import Any

import torch
from torch import Tensor

from fmq.method.flow import Velocity, flow_map, interpolate

JUMPS = (0.1, 0.25, 0.5, 0.75, 1.0)
STEPS = 64  # fourth-order Runge-Kutta steps, for any jump size


@torch.no_grad()
def integrate(
    velocity: Velocity, observations: Tensor, actions: Tensor, r: Tensor, steps: int
) -> Tensor:
    """Integrate the flow da/dt = u_{t,t}(a | s) from `actions` at time r to time 1.

    Args:
        velocity: the velocity network u.
        observations: shape (batch, O).
        actions: chunks at time r, shape (batch, H*A).
        r: start times, shape (batch, 1).
        steps: number of Runge-Kutta steps; each row has its own step size.
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
    """Return a row per jump size 1 - r with mean Euclidean distances of unclipped chunks.

    `flow_error` is the distance between X_{r,1}(a_r) and the end of the flow from a_r,
    `semigroup_error` that between X_{t,1}(X_{r,t}(a_r)), t halfway, and X_{r,1}(a_r), `distance`
    that between a_r and the end of the flow, and `integration_error` the change of this end if
    the integration steps are twice as long.

    Args:
        velocity: the velocity network of the flow map.
        observations: shape (batch, O).
        chunks, noise: the ends of the interpolant a_r, shape (batch, H*A).
    """
    rows, jumps = len(chunks), torch.tensor(JUMPS, dtype=chunks.dtype)
    # All jump sizes in one long batch, grouped by size.
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
