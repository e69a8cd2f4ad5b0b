"""The numerical optimum against trust-region problems with a known solution."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from fmq.theory.solver import maximize_in_ball, random_starts


def exact_optimum(b: np.ndarray, matrix: np.ndarray, radius: float) -> np.ndarray:
    """Of <b, d> - <d, M d> / 2 in a ball, M positive definite: (M + lambda) d = b."""

    def at(multiplier: float) -> np.ndarray:
        return np.linalg.solve(matrix + multiplier * np.eye(len(b)), b)

    if np.linalg.norm(at(0.0)) <= radius:
        return at(0.0)
    largest = np.linalg.norm(b) / radius
    return at(brentq(lambda m: np.linalg.norm(at(m)) - radius, 0.0, largest, xtol=1e-14))


@pytest.mark.parametrize("radius", [0.05, 0.5, 50.0])
def test_the_optimum_of_a_concave_quadratic(radius: float) -> None:
    generator = np.random.default_rng(0)
    b, root = generator.normal(size=6), generator.normal(size=(6, 6))
    matrix = root @ root.T + 0.1 * np.eye(6)
    ends = maximize_in_ball(
        lambda d: (float(b @ d - d @ matrix @ d / 2), b - matrix @ d),
        radius,
        random_starts(5, 6, radius, generator),
    )
    expected = exact_optimum(b, matrix, radius)
    found = ends.displacements[ends.values.argmax()]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.linalg.norm(expected))
    assert ends.values.max() >= b @ expected - expected @ matrix @ expected / 2 - 1e-8


@given(st.integers(1, 40), st.floats(1e-3, 1e3), st.integers(0, 2**32))
def test_the_size_of_a_problem_changes_nothing(size: int, slope: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    direction = generator.normal(size=size)
    unit = direction / np.linalg.norm(direction)
    gradient = slope * unit
    starts = random_starts(3, size, 2.0, generator)
    ends = maximize_in_ball(lambda d: (float(gradient @ d), gradient), 2.0, starts)
    # Whether the solver notices that it has arrived is a matter of rounding, where it is is none.
    for end in ends.displacements[ends.converged if ends.converged.any() else ...]:
        np.testing.assert_allclose(end, 2.0 * unit, rtol=0, atol=2e-6)


def test_a_constant_leaves_every_start_where_it_is() -> None:
    starts = random_starts(4, 3, 0.5, np.random.default_rng(1))
    ends = maximize_in_ball(lambda d: (7.0, np.zeros(3)), 0.5, starts)
    assert ends.converged.all()
    np.testing.assert_allclose(ends.displacements, starts)


def test_an_end_outside_of_the_ball_is_no_optimum() -> None:
    # A gradient of the wrong sign lures the solver; whatever it says, the ball counts.
    starts = random_starts(4, 2, 1.0, np.random.default_rng(2))
    ends = maximize_in_ball(lambda d: (1e30 * float(d @ d), 2e30 * d), 1.0, starts)
    outside = np.linalg.norm(ends.displacements, axis=1) > 1 + 1e-5
    assert not ends.converged[outside].any()
    assert (ends.values[outside] == -np.inf).all()


def test_starts_fill_the_ball_evenly() -> None:
    starts = random_starts(20_000, 2, 3.0, np.random.default_rng(3))
    lengths = np.linalg.norm(starts, axis=1)
    assert lengths.max() <= 3.0
    assert np.mean(lengths < 1.5) == pytest.approx(0.25, abs=0.02)
    np.testing.assert_allclose(starts.mean(0), 0, atol=0.05)
