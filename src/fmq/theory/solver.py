"""Maximise a smooth function in a ball with scipy's SLSQP from given starts."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Vector = NDArray[np.float64]
Function = Callable[[Vector], tuple[float, Vector]]

PRECISION = 1e-11  # SLSQP's tolerance for the scaled objective
SLACK = 1e-6  # relative amount by which an end may lie outside the ball
ITERATIONS = 200


class Ends(NamedTuple):
    """The ends of the searches, one per start.

    Attributes:
        displacements: shape (starts, n).
        values: the function's values, shape (starts,); minus infinity outside the ball.
        converged: whether the solver converged within the ball, shape (starts,).
    """

    displacements: Vector
    values: Vector
    converged: NDArray[np.bool_]


def maximize_in_ball(function: Function, radius: float, starts: Vector) -> Ends:
    """Maximise `function` of a displacement d subject to || d ||_2 <= radius.

    Args:
        function: returns value and gradient at a displacement of shape (n,).
        radius: the radius of the ball, more than 0.
        starts: displacements in the ball, shape (starts, n).

    The problem is scaled to a unit ball and a slope of about 1, so that the solver's tolerance
    means the same for every problem.
    """
    slope = max(float(np.abs(function(start)[1]).max()) for start in starts)
    scale = slope * radius or 1.0

    def objective(x: Vector) -> tuple[float, Vector]:
        value, gradient = function(radius * x)
        return -value / scale, -gradient * (radius / scale)

    ball = {"type": "ineq", "fun": lambda x: (1 - x @ x) / 2, "jac": lambda x: -x}
    options = {"ftol": PRECISION, "maxiter": ITERATIONS}
    found = [
        minimize(objective, x, jac=True, constraints=[ball], method="SLSQP", options=options)
        for x in starts / radius
    ]
    inside = np.array([np.linalg.norm(one.x) <= 1 + SLACK for one in found])
    displacements = radius * np.array([one.x for one in found])
    values = np.array([function(d)[0] for d in displacements])
    converged = np.array([bool(one.success) for one in found])
    return Ends(displacements, np.where(inside, values, -np.inf), converged & inside)


def random_starts(count: int, size: int, radius: float, generator: np.random.Generator) -> Vector:
    """Draw displacements uniformly from a ball, shape (count, size)."""
    directions = generator.normal(size=(count, size))
    lengths = radius * generator.random((count, 1)) ** (1 / size)
    return lengths * directions / np.linalg.norm(directions, axis=1, keepdims=True)
