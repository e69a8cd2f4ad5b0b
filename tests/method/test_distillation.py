"""Train with self-distillation on a problem whose one-step map is known."""

from functools import cache

import pytest
import torch

from fmq.method import flow
from fmq.networks.velocity import VelocityNetwork

LOSSES = {"esd": flow.esd_loss, "lsd": flow.lsd_loss, "psd": flow.psd_loss}
STEPS, MEAN, DEVIATION = 1000, 0.3, 0.4


@cache
def trained(kind: str) -> VelocityNetwork:
    """Train a small network on N(MEAN * s, DEVIATION^2), s = -1 or 1, in about two seconds."""
    generator = torch.Generator().manual_seed(0)
    network = VelocityNetwork(
        1, 1, hidden_width=64, hidden_layers=3, activation="silu", time_features=0,
        generator=generator,
    )  # fmt: skip
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    size = (256, 1)
    for step in range(STEPS):
        obs = 2.0 * torch.randint(2, size, generator=generator) - 1
        actions = MEAN * obs + DEVIATION * torch.randn(size, generator=generator)
        noise = torch.randn(size, generator=generator)
        first, second, split = torch.rand(3, *size, generator=generator)
        loss = flow.diagonal_loss(network, obs, actions, noise, first)
        if kind != "diagonal":
            r, t = flow.curriculum_interval(first, second, flow.curriculum_progress(step, 200, 500))
            extra = (split,) if kind == "psd" else ()
            loss = loss + LOSSES[kind](network, obs, actions, noise, r, t, *extra)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network


@torch.no_grad()
def one_jump_error(network: VelocityNetwork, end: float) -> float:
    """Return the root mean squared distance of x + u_{0,end}(x) from the exact X_{0,1}(x)."""
    x, zero = torch.randn(500, 1, generator=torch.Generator().manual_seed(1)), torch.zeros(500, 1)
    obs = torch.ones_like(x)
    jump = x + network(obs, x, zero, zero + end)
    return float((jump - (MEAN + DEVIATION * x)).square().mean().sqrt())


@pytest.mark.parametrize("kind", ["esd", pytest.param("psd", marks=pytest.mark.slow)])
def test_a_distilled_network_learns_the_one_step_map(kind: str) -> None:
    """One Euler step of the exact velocity lands on the mean, so its error is the deviation.

    The bound is a quarter of that: then 94% of the samples' variance is explained.
    """
    one_euler_step = one_jump_error(trained("diagonal"), 0.0)
    assert one_euler_step == pytest.approx(DEVIATION, rel=0.2)
    assert one_jump_error(trained(kind), 1.0) < min(DEVIATION / 4, one_euler_step / 3)


def test_lsd_as_published_moves_the_diagonal_towards_the_map_and_not_the_map() -> None:
    """LSD trains u_{t,t}; the map changes only through weights that both share.

    Unlike ESD and PSD, it cannot learn a one-step map from scratch.
    """
    assert one_jump_error(trained("lsd"), 1.0) > DEVIATION / 4
