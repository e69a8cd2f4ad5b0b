"""Test flow maps on a Gaussian problem whose average velocity is known in closed form."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from fmq.method import flow

LOSSES = {"esd": flow.esd_loss, "lsd": flow.lsd_loss, "psd": flow.psd_loss}
COUNT, MEAN, DEVIATION = 500, 0.3, 0.2


def gaussian_velocity(
    mean: float, deviation: float, obs: Tensor, x: Tensor, r: Tensor, t: Tensor
) -> Tensor:
    """Return the average velocity from N(0, 1) to N(mean, deviation^2), for any r and t.

    It is (X_{r,t}(x) - x) / (t - r) of `gaussian_map`, with the division carried out analytically,
    so that the diagonal needs no special case.
    """
    at_r, at_t = spread(deviation, r), spread(deviation, t)
    slope = ((t + r) * deviation**2 - (2 - t - r)) / (at_r * (at_t + at_r))
    return mean + slope * (x - r * mean)


def gaussian_map(mean: float, deviation: float, x: Tensor, r: Tensor, t: Tensor) -> Tensor:
    return t * mean + spread(deviation, t) / spread(deviation, r) * (x - r * mean)


def spread(deviation: float, time: Tensor) -> Tensor:
    return ((1 - time).square() + (time * deviation).square()).sqrt()


def uniform(seed: int, shape: tuple[int, ...] = (COUNT, 1)) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def normal(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(COUNT, 1, generator=generator, dtype=torch.float64)


def times() -> tuple[Tensor, Tensor]:
    """Return random pairs of times r < t < 1."""
    pair = 0.98 * uniform(1, (COUNT, 2)).sort(-1).values
    return pair[:, :1], pair[:, 1:]


def residual(kind: str, velocity: Callable, actions: Tensor, noise: Tensor) -> float:
    """Compute the loss `kind` without observations or masks."""
    extra = (uniform(2),) if kind == "psd" else ()
    return float(LOSSES[kind](velocity, actions[:, :0], actions, noise, *times(), *extra))


def stop_at_r(velocity: Callable) -> Callable:
    """Replace the average velocity by the instantaneous one, which is right only for r = t."""
    return lambda obs, x, r, t: velocity(obs, x, r, r)


@pytest.mark.parametrize("kind", ["lsd", "psd"])
def test_the_exact_flow_map_has_no_self_distillation_error(kind: str) -> None:
    exact = partial(gaussian_velocity, MEAN, DEVIATION)
    actions = MEAN + DEVIATION * normal(3)
    assert residual(kind, exact, actions, normal(4)) < 1e-20
    assert residual(kind, stop_at_r(exact), actions, normal(4)) > 1e-3


def test_the_exact_flow_map_has_no_eulerian_error_along_its_own_velocity() -> None:
    """Replace ESD's v = a_1 - a_0 by its mean given a_r: the end points lie on a straight line."""
    exact = partial(gaussian_velocity, MEAN, DEVIATION)
    r, _ = times()
    a_r = r * MEAN + spread(DEVIATION, r) * normal(3)
    v = exact(None, a_r, r, r)
    noise = a_r - r * v
    assert residual("esd", exact, noise + v, noise) < 1e-20
    assert residual("esd", stop_at_r(exact), noise + v, noise) > 1e-3


@pytest.mark.parametrize("kind", LOSSES)
def test_constant_data_has_no_error_for_any_noise(kind: str) -> None:
    actions = torch.full((COUNT, 1), MEAN, dtype=torch.float64)
    assert residual(kind, partial(gaussian_velocity, MEAN, 0.0), actions, normal(4)) < 1e-20


def test_the_diagonal_loss_prefers_the_exact_velocity() -> None:
    noise, actions, t = normal(4), MEAN + DEVIATION * normal(3), uniform(5)

    def loss(mean: float, deviation: float) -> float:
        velocity = partial(gaussian_velocity, mean, deviation)
        return float(flow.diagonal_loss(velocity, t[:, :0], actions, noise, t))

    exact = loss(MEAN, DEVIATION)
    for mean, deviation in ((0.1, DEVIATION), (0.5, DEVIATION), (MEAN, 0.5), (-MEAN, DEVIATION)):
        assert loss(mean, deviation) > exact + 0.01


def test_flow_maps_compose() -> None:
    exact = partial(gaussian_velocity, MEAN, DEVIATION)
    (r, t), x = times(), normal(3)
    w = r + 0.3 * (t - r)
    direct = flow.flow_map(exact, x[:, :0], x, r, t)
    halfway = flow.flow_map(exact, x[:, :0], x, r, w)
    torch.testing.assert_close(flow.flow_map(exact, x[:, :0], halfway, w, t), direct)
    torch.testing.assert_close(direct, gaussian_map(MEAN, DEVIATION, x, r, t))


def test_euler_converges_to_the_one_step_map_at_first_order() -> None:
    exact = partial(gaussian_velocity, MEAN, DEVIATION)
    x = normal(3).clamp(-3, 3)  # so that no end point is clipped
    target = MEAN + DEVIATION * x
    torch.testing.assert_close(flow.one_step(exact, x[:, :0], x), target)
    first = flow.euler(exact, x[:, :0], x, 1)  # at time 0 every velocity points to the mean
    torch.testing.assert_close(first, torch.full_like(first, MEAN))
    errors = [
        float((flow.euler(exact, x[:, :0], x, steps) - target).abs().max())
        for steps in (50, 100, 200)
    ]
    assert errors[2] < 0.01
    for coarse, fine in pairwise(errors):
        assert coarse / fine == pytest.approx(2, rel=0.1)


def test_policies_clip_their_actions() -> None:
    x = normal(3)
    wide = partial(gaussian_velocity, MEAN, 2.0)
    for actions in (flow.one_step(wide, x[:, :0], x), flow.euler(wide, x[:, :0], x, 5)):
        assert actions.min() == -1
        assert actions.max() == 1


# Losses by hand for u_{r,t}(x) = theta (1 + r + 2t) x, whose derivatives are simple.
THETA, NOISE, ACTION, R, T, SPLIT = 0.7, -0.5, 0.8, 0.25, 0.75, 0.4
A_R = (1 - R) * NOISE + R * ACTION


def coefficient(r: float, t: float) -> float:
    return 1 + r + 2 * t


def esd_by_hand() -> tuple[float, float, float]:
    v = ACTION - NOISE
    derivative = THETA * (A_R + coefficient(R, T) * v)
    return coefficient(R, T), A_R, v + (T - R) * derivative


def lsd_by_hand() -> tuple[float, float, float]:
    a_t = A_R + (T - R) * THETA * coefficient(R, T) * A_R
    return coefficient(T, T), a_t, THETA * A_R * (coefficient(R, T) + (T - R) * 2)


def psd_by_hand() -> tuple[float, float, float]:
    w = R + SPLIT * (T - R)
    first = THETA * coefficient(R, w) * A_R
    second = THETA * coefficient(w, T) * (A_R + (w - R) * first)
    return coefficient(R, T), A_R, SPLIT * first + (1 - SPLIT) * second


@pytest.mark.parametrize(
    ("kind", "by_hand"), [("esd", esd_by_hand), ("lsd", lsd_by_hand), ("psd", psd_by_hand)]
)
def test_no_gradient_flows_through_a_target(kind: str, by_hand: Callable) -> None:
    theta = torch.tensor(THETA, dtype=torch.float64, requires_grad=True)
    noise, action, r, t, split = torch.tensor(
        [NOISE, ACTION, R, T, SPLIT], dtype=torch.float64
    ).view(5, 1, 1)
    extra = (split,) if kind == "psd" else ()
    loss = LOSSES[kind](
        lambda obs, x, r, t: theta * (1 + r + 2 * t) * x,
        noise[:, :0], action, noise, r, t, *extra,
    )  # fmt: skip
    factor, point, target = by_hand()
    difference = THETA * factor * point - target
    (gradient,) = torch.autograd.grad(loss, theta)
    assert loss.item() == pytest.approx(difference**2)
    assert float(gradient) == pytest.approx(2 * difference * factor * point)


unit = st.floats(0, 1, width=32)


@given(unit, unit, st.integers(0, 2000), st.integers(0, 900), st.integers(1, 1000))
def test_curriculum_stays_in_the_unit_interval(
    first: float, second: float, step: int, warmup: int, span: int
) -> None:
    a, b = torch.tensor([[first]]), torch.tensor([[second]])
    progress = flow.curriculum_progress(step, warmup, warmup + span)
    r, t = flow.curriculum_interval(a, b, progress)
    assert 0 <= r <= t <= 1
    torch.testing.assert_close(r + t, a + b)
    if step <= warmup:
        assert r == t
    elif step >= warmup + span:
        torch.testing.assert_close(torch.cat([r, t]), torch.cat([a, b]).sort(0).values)
    else:
        torch.testing.assert_close(t - r, (a - b).abs() * (step - warmup) / span)


def test_masked_steps_count_as_zero_and_have_no_gradient() -> None:
    value = uniform(7, (2, 6)).requires_grad_()
    valid = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])  # H = 3 steps of A = 2
    kept = valid.repeat_interleave(2, -1).bool()
    loss = flow.masked_error(value, valid)
    (gradient,) = torch.autograd.grad(loss, value)
    assert loss.item() == pytest.approx(value[kept].square().sum().item() / value.numel())
    assert (gradient[~kept] == 0).all()
    torch.testing.assert_close(gradient[kept], 2 * value[kept].detach() / value.numel())
