"""Flow matching and flow maps: interpolant, curriculum, losses, one-step map and Euler steps.

The symbols are the paper's: noise a_0 ~ N(0, I), data chunk a_1, flow times 0 <= r <= t <= 1,
interpolant a_r = (1 - r) a_0 + r a_1, average velocity u_{r,t}. Chunks are flattened, (..., H*A);
times have shape (..., 1), or (1,) if all rows share them. `velocity` is any function
u(observations, actions, r, t), so that the losses work for networks and analytic fields alike. In
formulas, sg is the stop-gradient.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

Velocity = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def interpolate(noise: Tensor, actions: Tensor, time: Tensor) -> Tensor:
    """Return the interpolant a_time = (1 - time) a_0 + time a_1, shape (..., H*A).

    Args:
        noise: a_0, shape (..., H*A).
        actions: a_1, shape (..., H*A).
        time: flow times, shape (..., 1) or (1,).
    """
    return (1 - time) * noise + time * actions


def flow_map(
    velocity: Velocity, observations: Tensor, actions: Tensor, r: Tensor, t: Tensor
) -> Tensor:
    """Return the flow map X_{r,t}(a_r | s) = a_r + (t - r) u_{r,t}(a_r | s), shape (..., H*A).

    Args:
        observations: s, shape (..., O).
        actions: a_r, shape (..., H*A).
        r, t: flow times, shape (..., 1) or (1,).
    """
    return actions + (t - r) * velocity(observations, actions, r, t)


def one_step(velocity: Velocity, observations: Tensor, noise: Tensor) -> Tensor:
    """Return clip(X_{0,1}(a_0 | s), -1, 1), the one-step policy: one network evaluation.

    Args:
        observations: s, shape (..., O).
        noise: a_0, shape (..., H*A), as are the chunks that are returned.
    """
    zero = noise.new_zeros(1)
    return flow_map(velocity, observations, noise, zero, zero + 1).clamp(-1, 1)


def euler(velocity: Velocity, observations: Tensor, noise: Tensor, steps: int) -> Tensor:
    """Integrate the diagonal velocity u_{t,t} from 0 to 1 in `steps` Euler steps, then clip.

    Args:
        observations: s, shape (..., O).
        noise: a_0, shape (..., H*A), as are the chunks that are returned.
        steps: number of Euler steps, each one network evaluation.
    """
    actions = noise
    for step in range(steps):
        time = noise.new_full((1,), step / steps)
        actions = actions + velocity(observations, actions, time, time) / steps
    return actions.clamp(-1, 1)


def curriculum_progress(step: int, warmup: int, anneal_end: int) -> float:
    """Return p = clip((step - warmup) / (anneal_end - warmup), 0, 1) at a gradient step."""
    return min(max((step - warmup) / (anneal_end - warmup), 0.0), 1.0)


def curriculum_interval(
    first: Tensor, second: Tensor, progress: Tensor | float
) -> tuple[Tensor, Tensor]:
    """Return times (r, t) for the self-distillation losses, shape (batch, 1) each.

    Two uniforms are sorted and contracted about their midpoint by p: p = 0 gives the diagonal
    r = t, p = 1 all intervals of [0, 1].

    Args:
        first, second: uniform samples on [0, 1], shape (batch, 1).
        progress: p, from `curriculum_progress`.
    """
    middle = (first + second) / 2
    half = progress * (first - second).abs() / 2
    return middle - half, middle + half


def masked_error(residual: Tensor, valid: Tensor | None = None) -> Tensor:
    """Return the squared residual averaged over batch, H and A, with invalid steps set to zero.

    Args:
        residual: shape (batch, H*A).
        valid: 1 where the action step belongs to the chunk's episode, 0 past its end; shape
            (batch, H). By default every step is valid.
    """
    if valid is None:
        return residual.square().mean()
    batch, horizon = valid.shape
    return (residual.square().view(batch, horizon, -1) * valid.unsqueeze(-1)).mean()


def velocity_jvp(
    velocity: Velocity,
    observations: Tensor,
    primals: tuple[Tensor, Tensor, Tensor],
    tangents: tuple[Tensor, Tensor, Tensor],
) -> tuple[Tensor, Tensor]:
    """Return the velocity at `primals` (a, r, t) and its derivative along `tangents`.

    Tangents have the shapes of the primals. A `jvp` method of `velocity` is used if there is one,
    because it is much faster.
    """
    if hasattr(velocity, "jvp"):
        return velocity.jvp(observations, primals, tangents)
    u, derivative, *_ = torch.func.jvp(partial(velocity, observations), primals, tangents)
    return u, derivative


def diagonal_loss(
    velocity: Velocity,
    observations: Tensor,
    actions: Tensor,
    noise: Tensor,
    t: Tensor,
    *,
    valid: Tensor | None = None,
) -> Tensor:
    """Return the flow-matching loss on the diagonal, || u_{t,t}(a_t) - (a_1 - a_0) ||^2.

    Args:
        velocity: u, the velocity in training.
        observations: s, shape (batch, O).
        actions: chunks a_1 of the data, shape (batch, H*A).
        noise: a_0, shape (batch, H*A).
        t: flow times, uniform on [0, 1], shape (batch, 1).
        valid: as in `masked_error`, shape (batch, H).
    """
    a_t = interpolate(noise, actions, t)
    return masked_error(velocity(observations, a_t, t, t) - (actions - noise), valid)


def esd_loss(
    velocity: Velocity,
    observations: Tensor,
    actions: Tensor,
    noise: Tensor,
    r: Tensor,
    t: Tensor,
    *,
    valid: Tensor | None = None,
) -> Tensor:
    """Return the Eulerian self-distillation (MeanFlow) loss.

    It regresses u_{r,t}(a_r) on sg[v + (t - r) D], where v = a_1 - a_0 and D is the derivative of u
    in (r, t, a_r) along (1, 0, v).

    Args:
        r, t: flow times, from `curriculum_interval`, shape (batch, 1); the other arguments have the
            shapes of `diagonal_loss`.
    """
    a_r, v = interpolate(noise, actions, r), actions - noise
    tangents = (v, torch.ones_like(r), torch.zeros_like(t))
    u, derivative = velocity_jvp(velocity, observations, (a_r, r, t), tangents)
    target = v + (t - r) * derivative.detach()
    return masked_error(u - target, valid)


def lsd_loss(
    velocity: Velocity,
    observations: Tensor,
    actions: Tensor,
    noise: Tensor,
    r: Tensor,
    t: Tensor,
    *,
    valid: Tensor | None = None,
) -> Tensor:
    """Return the Lagrangian self-distillation loss.

    It regresses u_{t,t}(sg X_{r,t}(a_r)) on sg[d/dt X_{r,t}(a_r)].

    Args:
        r, t: flow times, from `curriculum_interval`, shape (batch, 1); the other arguments have the
            shapes of `diagonal_loss`.
    """
    a_r = interpolate(noise, actions, r)
    with torch.no_grad():
        tangents = (torch.zeros_like(a_r), torch.zeros_like(r), torch.ones_like(t))
        u, du_dt = velocity_jvp(velocity, observations, (a_r, r, t), tangents)
        a_t = a_r + (t - r) * u
        derivative = u + (t - r) * du_dt
    return masked_error(velocity(observations, a_t, t, t) - derivative, valid)


def psd_loss(
    velocity: Velocity,
    observations: Tensor,
    actions: Tensor,
    noise: Tensor,
    r: Tensor,
    t: Tensor,
    split: Tensor,
    *,
    valid: Tensor | None = None,
) -> Tensor:
    """Return the progressive self-distillation loss: one jump against two, split at w.

    It regresses u_{r,t}(a_r) on sg[g u_{r,w}(a_r) + (1 - g) u_{w,t}(X_{r,w}(a_r))], where
    w = r + g (t - r).

    Args:
        r, t: flow times, from `curriculum_interval`, shape (batch, 1); the other arguments have the
            shapes of `diagonal_loss`.
        split: g, uniform on [0, 1], shape (batch, 1).
    """
    a_r, w = interpolate(noise, actions, r), r + split * (t - r)
    with torch.no_grad():
        first = velocity(observations, a_r, r, w)
        second = velocity(observations, a_r + (w - r) * first, w, t)
        target = split * first + (1 - split) * second
    return masked_error(velocity(observations, a_r, r, t) - target, valid)
