"""Test Theorem 3.2 on critics whose optimum inside a ball is known, and the adaptive radius."""

import pytest
import torch
from helpers.networks import critics, normal, velocity_network
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fmq.method import guidance
from fmq.networks.ensemble import CriticEnsemble
from fmq.networks.velocity import VelocityNetwork

BATCH, SIZE, ETA = 6, 4, 0.5
TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-5}  # NORM_GUARD shifts results by about 1e-8


@pytest.fixture(params=TOLERANCE, ids=str)
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    return request.param


def zero_velocity(obs: Tensor, actions: Tensor, r: Tensor, t: Tensor) -> Tensor:
    return torch.zeros_like(actions)


def linear_critic(weights: Tensor):
    """Return two linear critics; the second points elsewhere and must not matter."""
    return lambda obs, actions: torch.stack([actions @ weights, -3 * actions.sum(-1)])


def quadratic_critic(best: Tensor):
    return lambda obs, actions: torch.stack([-(actions - best).square().sum(-1)] * 2)


def displacement(critic, a_r: Tensor, velocity=zero_velocity, **settings: float) -> Tensor:
    r = torch.full_like(a_r[:, :1], 0.25)
    settings = {"eta": ETA, "beta": 0.0} | settings
    target = guidance.fmq_target(velocity, critic, a_r[:, :0], a_r, r, **settings)
    assert target.velocity.dtype == a_r.dtype
    return target.velocity - target.offline_velocity


def assert_best_in_the_ball(step: Tensor, gradient: Tensor) -> None:
    """Assert that no displacement of length eta or less has a higher first-order gain."""
    others = normal(9, 2000, SIZE, dtype=step.dtype)
    lengths = torch.linspace(0, ETA, 2000, dtype=step.dtype).unsqueeze(-1)
    others = lengths * others / others.norm(dim=-1, keepdim=True)
    gain = (step * gradient).sum(-1)
    assert (others @ gradient.T <= gain + TOLERANCE[step.dtype]).all()


def test_a_linear_critic_is_followed_along_its_weights(dtype: torch.dtype) -> None:
    weights = normal(1, SIZE, dtype=dtype)
    step = displacement(linear_critic(weights), 0.3 * normal(2, BATCH, SIZE, dtype=dtype))
    expected = (ETA * weights / weights.norm()).expand(BATCH, -1)
    torch.testing.assert_close(step, expected, rtol=0, atol=TOLERANCE[dtype])
    assert_best_in_the_ball(step, weights.expand(BATCH, -1))


def test_a_quadratic_critic_is_followed_to_its_optimum(dtype: torch.dtype) -> None:
    best, a_r = normal(1, SIZE, dtype=dtype), 0.2 * normal(2, BATCH, SIZE, dtype=dtype)
    step = displacement(quadratic_critic(best), a_r)
    distance = (best - a_r).norm(dim=-1)
    near = TOLERANCE[dtype]
    torch.testing.assert_close(step.norm(dim=-1), torch.full_like(distance, ETA), rtol=0, atol=near)
    after = (best - a_r - step).norm(dim=-1)
    torch.testing.assert_close(after, distance - ETA, rtol=0, atol=near)
    assert_best_in_the_ball(step, 2 * (best - a_r))


def test_the_gradient_is_taken_at_the_clipped_end_point() -> None:
    best, a_r = 0.5 * normal(1, SIZE), 0.2 * normal(2, BATCH, SIZE)
    step = displacement(quadratic_critic(best), a_r, lambda *arguments: torch.full_like(a_r, 4 / 3))
    end = (a_r + 1).clamp(-1, 1)
    assert 0.2 < (end == 1).double().mean() < 0.8
    expected = ETA * (best - end) / (best - end).norm(dim=-1, keepdim=True)
    torch.testing.assert_close(step, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("beta", [0.0, 0.3])
def test_no_gradient_means_no_displacement(dtype: torch.dtype, beta: float) -> None:
    best = torch.full((SIZE,), 0.5, dtype=dtype)
    at_the_top = displacement(quadratic_critic(best), best.expand(BATCH, -1), beta=beta)
    assert (at_the_top == 0).all()  # NaN would not be equal


def test_the_radius_of_known_deviations() -> None:
    values = torch.tensor([[0.0, 1.0], [2.0, 7.0]])  # deviations 1 and 3, mean 2
    radius = guidance.adaptive_radius(values, eta=2.0, beta=0.3)
    torch.testing.assert_close(radius, torch.tensor([2 / 1.15, 2 / 1.45]))


values = st.lists(
    st.tuples(st.floats(-100, 100, width=32), st.floats(-100, 100, width=32)), min_size=1
)


@given(values, st.floats(0.01, 10), st.floats(0, 5))
def test_the_radius_shrinks_with_disagreement(
    pairs: list[tuple[float, float]], eta: float, beta: float
) -> None:
    both = torch.tensor(pairs, dtype=torch.float64).T
    radius = guidance.adaptive_radius(both, eta, beta)
    disagreement = (both[0] - both[1]).abs()
    assert (radius > 0).all()
    assert (radius <= eta).all()
    assert (radius[disagreement == 0] == eta).all()
    order = disagreement.argsort()
    assert (radius[order].diff() <= 1e-12).all()


@given(values, st.floats(0.1, 1000))
def test_the_radius_does_not_depend_on_the_scale_of_the_values(
    pairs: list[tuple[float, float]], scale: float
) -> None:
    both = torch.tensor(pairs, dtype=torch.float64).T
    if (both[0] - both[1]).abs().mean() < 1:
        both = both + torch.tensor([[0.0], [200.0]])
    torch.testing.assert_close(
        guidance.adaptive_radius(scale * both, 1.0, 0.3),
        guidance.adaptive_radius(both, 1.0, 0.3),
        rtol=1e-6,
        atol=0,
    )


@pytest.fixture
def networks() -> tuple[VelocityNetwork, VelocityNetwork, CriticEnsemble]:
    actor, offline = (velocity_network(3, SIZE, seed) for seed in (0, 1))
    return actor, offline, critics(3, SIZE, 2)


def loss_of(actor, offline, critic) -> Tensor:
    inputs = (normal(3, BATCH, 3), normal(4, BATCH, SIZE).tanh(), torch.ones(BATCH, 2))
    obs, actions, valid = (tensor.float() for tensor in inputs)
    noise, r = normal(5, BATCH, SIZE).float(), torch.linspace(0, 0.9, BATCH).unsqueeze(-1)
    loss, _ = guidance.fmq_loss(
        actor, offline, critic, obs, actions, noise, r, eta=ETA, valid=valid
    )
    return loss


def test_the_loss_trains_the_policy_alone(networks) -> None:
    actor, offline, critic = networks
    loss_of(*networks).backward()
    assert all(p.grad is None for net in (offline, critic) for p in net.parameters())
    assert all(p.grad.norm() > 0 for p in actor.parameters())


def test_the_offline_policy_is_one_radius_away_from_its_target(networks) -> None:
    _, offline, critic = networks
    assert loss_of(offline, offline, critic).item() == pytest.approx(ETA**2 / SIZE, rel=1e-5)


def test_of_two_critics_the_first_ones_gradient_is_followed() -> None:
    critic = critics(0, SIZE).double()
    a_r = 0.3 * normal(2, BATCH, SIZE)
    actions = a_r.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(a_r[:, :0], actions)[0].sum(), actions)
    expected = ETA * gradient / gradient.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(displacement(critic, a_r), expected, rtol=1e-6, atol=1e-6)


def test_at_the_online_chunk_only_the_gradient_is_taken() -> None:
    """The spread of the critics, and so the radius, is that at the offline policy's chunk."""

    def critic(obs: Tensor, actions: Tensor) -> Tensor:
        first = -(actions - 0.5).square().sum(-1)
        return torch.stack([first, first + 2 * actions[..., 0]])  # deviation |a_0| of chunk a

    a_r, r = 0.2 * normal(1, BATCH, SIZE), torch.full((BATCH, 1), 0.25, dtype=torch.float64)
    offline, online = 0.1 * normal(2, BATCH, SIZE), 0.3 * normal(3, BATCH, SIZE)
    inputs = lambda *arguments: offline, critic, a_r[:, :0], a_r, r
    target = guidance.fmq_target(*inputs, eta=ETA, beta=2.0, gradient_at=online)
    spread = (a_r + 0.75 * offline)[:, 0].abs()
    radius = ETA / (1 + 2 * spread / spread.mean())
    torch.testing.assert_close(target.eta, radius, rtol=1e-6, atol=0)
    ascent = 0.5 - (a_r + 0.75 * online)
    expected = radius.unsqueeze(-1) * ascent / ascent.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(target.velocity - offline, expected, rtol=0, atol=1e-6)
