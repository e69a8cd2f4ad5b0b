"""Theorem 3.2 on random critics, and the measurements of it on known problems."""

import numpy as np
import pytest
import torch
from helpers.networks import critics, normal

from fmq.method.guidance import NORM_GUARD
from fmq.theory import optimum
from fmq.theory.optimum import (
    STARTS,
    Problem,
    closed_form,
    first_order_gaps,
    measure,
    problems,
    quadratics,
)
from fmq.theory.solver import maximize_in_ball, random_starts

SIZE, ETA = 6, 0.7


def linear(weights: torch.Tensor) -> Problem:
    def critic(observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        return (actions @ weights).expand(2, -1)

    return Problem(critic, torch.zeros(1, 0, dtype=torch.float64), 0.1 * normal(0, 1, SIZE))


def test_the_closed_form_is_the_numerical_optimum_of_a_thousand_random_critics() -> None:
    starts = np.random.default_rng(0)
    rows = []
    for seed in range(1000):
        critic = critics(3, SIZE, seed, hidden_width=8).double()
        state, chunk = normal(seed, 1, 3), normal(seed + 1000, 1, SIZE).tanh()
        rows.append(measure_first_order(Problem(critic, state, chunk), starts))
    gaps = np.array(rows)
    assert gaps.shape == (1000, 5)
    assert gaps[:, :4].max() <= 1e-6
    # At the optimum rounding may keep the solver from noticing that it is there.
    assert gaps[:, 4].mean() > 0.5


def measure_first_order(problem: Problem, starts: np.random.Generator) -> list[float]:
    """Gaps of displacement, objective, activity and multiplier, relative; share that converged."""
    best = closed_form(problem, ETA)
    gradient = problem.value(np.zeros_like(best))[1]
    drawn = random_starts(3, SIZE, ETA, starts)
    ends = maximize_in_ball(lambda d: (float(gradient @ d), gradient), ETA, drawn)
    found = first_order_gaps(ends, best, gradient, ETA)
    return [
        found["displacement_gap"] / ETA,
        found["objective_gap"] / (ETA * np.linalg.norm(gradient)),
        abs(found["activity"]) / ETA,
        abs(found["multiplier"] / found["closed_multiplier"] - 1),
        found["converged"] / found["starts"],
    ]


def test_of_a_linear_critic_the_closed_form_is_best_in_the_whole_ball() -> None:
    weights = normal(1, SIZE)
    row = measure(linear(weights), ETA, np.random.default_rng(0))
    slope = float(weights.norm())
    assert row["gradient_norm"] == pytest.approx(slope)
    assert row["closed_multiplier"] == pytest.approx(slope / ETA)
    assert row["multiplier"] == pytest.approx(slope / ETA, rel=1e-8)
    assert row["closed_gain"] == pytest.approx(ETA * slope, rel=1e-7)
    assert row["best_gain"] == pytest.approx(ETA * slope, rel=1e-7)
    assert row["best_length"] == pytest.approx(ETA, rel=1e-7)
    assert 0 <= row["converged"] <= row["starts"] == STARTS


def test_of_a_curved_critic_the_closed_form_gets_a_share() -> None:
    # Q falls by the square of what goes along the first axis: the best step turns away from it.
    def critic(observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        value = actions.sum(-1) - 4 * actions[..., 0] ** 2
        return torch.stack([value, value])

    problem = Problem(critic, torch.zeros(1, 0).double(), torch.zeros(1, 2).double())
    row = measure(problem, 1.0, np.random.default_rng(0))
    angles = np.linspace(0, 2 * np.pi, 100_001)
    x, y = np.cos(angles), np.sin(angles)
    assert row["best_gain"] == pytest.approx((x + y - 4 * x**2).max(), abs=1e-6)
    assert row["closed_gain"] == pytest.approx(2**0.5 - 2, abs=1e-6)  # the step even lowers Q


def test_a_wrong_closed_form_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        optimum, "closed_form", lambda problem, eta: 0.99 * closed_form(problem, eta)
    )
    row = measure(linear(normal(1, SIZE)), ETA, np.random.default_rng(0))
    assert row["displacement_gap"] == pytest.approx(0.01 * ETA, rel=1e-3)
    assert row["objective_gap"] > 1e-3


def test_without_a_gradient_every_displacement_is_optimal() -> None:
    for problem in quadratics(5, SIZE, torch.Generator().manual_seed(0), slope=0.0):
        row = measure(problem, ETA, np.random.default_rng(0))
        assert row["gradient_norm"] == row["closed_length"] == row["closed_gain"] == 0
        assert row["objective_gap"] == row["multiplier"] == 0
        assert row["displacement_gap"] > 0  # the starts stayed where they were, all as good
        assert row["converged"] == STARTS
        assert 0 <= row["best_length"] <= ETA * (1 + 1e-6)  # a saddle can be left inside the ball


def test_random_quadratics_have_the_gradient_they_are_made_with() -> None:
    (problem,) = quadratics(1, SIZE, torch.Generator().manual_seed(3))
    value, gradient = problem.value(np.zeros(SIZE))
    steps = 1e-5 * np.eye(SIZE)
    slopes = [(problem.value(d)[0] - problem.value(-d)[0]) / 2e-5 for d in steps]
    assert value == 0
    np.testing.assert_allclose(gradient, slopes, rtol=1e-6)
    assert problem.chunk.abs().max() <= 1


def test_chunks_outside_of_the_action_space_are_clipped() -> None:
    critic = linear(normal(1, SIZE)).critic
    (problem,) = problems(critic, torch.zeros(1, 0).double(), torch.full((1, SIZE), 1.5).double())
    assert (problem.chunk == 1).all()


def test_the_guard_shortens_the_displacement_by_its_share() -> None:
    weights = 1e-6 * normal(1, SIZE)
    slope = float(weights.norm())
    length = np.linalg.norm(closed_form(linear(weights), ETA))
    assert length == pytest.approx(ETA * slope / (slope + NORM_GUARD), rel=1e-9)
