"""Compare Theorem 3.2 with a solver: is the closed form optimal, and how good is it for Q itself?

For one state, one chunk a_1 and g = grad_a Q(s, a_1), the first-order problem is

    maximise <g, d> subject to || d ||_2 <= eta,

where d displaces the average velocity at r = 0, which there equals a displacement of the chunk.
The closed form is taken from `fmq.method.guidance.fmq_target` and not reimplemented here.

The multiplier || g || / eta belongs to the Lagrangian <g, d> - (lambda / 2) (|| d ||^2 - eta^2)
and follows from its stationarity, g = lambda d, and || d || = eta. For the constraint
|| d || <= eta the multiplier would be || g ||, and for || d ||^2 <= eta^2 without the factor 1/2
it would be || g || / (2 eta). For a solver's result, the multiplier is the lambda that fits
g = lambda d best.

With g = 0 every displacement is optimal, and `fmq_target` returns none.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fmq.method.guidance import CriticFunction, fmq_target, value_and_gradient
from fmq.theory.solver import Ends, Vector, maximize_in_ball, random_starts

STARTS = 6


class Problem(NamedTuple):
    """A critic at one state and chunk.

    Attributes:
        critic: its first value is Q.
        observations: shape (1, O).
        chunk: a_1 within [-1, 1], shape (1, n).
    """

    critic: CriticFunction
    observations: Tensor
    chunk: Tensor

    def value(self, displacement: Vector) -> tuple[float, Vector]:
        """Return Q at a displaced chunk and its gradient with respect to the chunk, shape (n,)."""
        moved = self.chunk + torch.as_tensor(displacement)
        values, gradient = value_and_gradient(self.critic, self.observations, moved, "first")
        return float(values[0, 0]), gradient[0].numpy()


def problems(critic: CriticFunction, observations: Tensor, chunks: Tensor) -> Iterator[Problem]:
    """Yield one problem per state and chunk of observations (batch, O) and chunks (batch, n)."""
    chunks = chunks.clamp(-1, 1)
    for row in range(len(chunks)):
        yield Problem(critic, observations[row : row + 1], chunks[row : row + 1])


def quadratics(
    count: int, size: int, generator: torch.Generator, slope: float = 1.0
) -> Iterator[Problem]:
    """Yield random problems Q(a) = slope <b, a - a_1> + <a - a_1, A (a - a_1)> / 2.

    A is a random symmetric matrix, so Q mostly has a saddle.

    Args:
        count: number of problems.
        size: n, the size of a chunk.
        generator: the random stream.
        slope: 0 gives a gradient that vanishes at a_1.
    """
    for _ in range(count):
        a_1 = torch.rand(1, size, generator=generator, dtype=torch.float64) * 2 - 1
        b = torch.randn(size, generator=generator, dtype=torch.float64)
        matrix = torch.randn(size, size, generator=generator, dtype=torch.float64)
        yield Problem(_quadratic(slope * b, (matrix + matrix.T) / 2, a_1), a_1[:, :0], a_1)


def _quadratic(b: Tensor, matrix: Tensor, a_1: Tensor) -> CriticFunction:
    def critic(observations: Tensor, actions: Tensor) -> Tensor:
        d = actions - a_1
        value = d @ b + (d * (d @ matrix)).sum(-1) / 2
        return torch.stack([value, value])

    return critic


def closed_form(problem: Problem, eta: float) -> Vector:
    """Return the displacement of the FMQ target, shape (n,), for a fixed trust region radius."""
    target = fmq_target(
        lambda observations, a_r, r, t: torch.zeros_like(a_r),
        problem.critic,
        problem.observations,
        problem.chunk,
        problem.chunk.new_zeros(1, 1),
        eta=eta,
        beta=0.0,
    )
    return target.velocity[0].numpy()


def measure(problem: Problem, eta: float, generator: np.random.Generator) -> dict[str, Any]:
    """Compare closed form and numerical optimum, for the expansion of Q and for Q itself."""
    best = closed_form(problem, eta)
    value, gradient = problem.value(np.zeros_like(best))
    starts = random_starts(STARTS, len(best), eta, generator)
    ends = maximize_in_ball(lambda d: (float(gradient @ d), gradient), eta, starts)
    # For Q itself the closed form is a candidate and a start, so the best found is no worse.
    true = maximize_in_ball(problem.value, eta, np.vstack([best, starts]))
    closed_value = problem.value(best)[0]
    candidates = np.vstack([best, true.displacements])
    values = np.append(closed_value, true.values)
    top = int(values.argmax())
    return {
        "size": len(best),
        "eta": eta,
        "gradient_norm": float(np.linalg.norm(gradient)),
        **first_order_gaps(ends, best, gradient, eta),
        "closed_gain": closed_value - value,
        "best_gain": float(values[top]) - value,
        "best_length": float(np.linalg.norm(candidates[top])),
        "closed_length": float(np.linalg.norm(best)),
    }


def first_order_gaps(ends: Ends, best: Vector, gradient: Vector, eta: float) -> dict[str, Any]:
    """Return the largest gap of each kind over the converged starts, or over all if none did."""
    found = ends.displacements[ends.converged] if ends.converged.any() else ends.displacements
    closed_multiplier = float(np.linalg.norm(gradient)) / eta
    multipliers = found @ gradient / (found * found).sum(1)
    activity = np.linalg.norm(found, axis=1) - eta
    return {
        "starts": len(ends.converged),
        "converged": int(ends.converged.sum()),
        "displacement_gap": float(np.linalg.norm(found - best, axis=1).max()),
        "objective_gap": float(np.abs((found - best) @ gradient).max()),
        "activity": float(activity[np.abs(activity).argmax()]),
        "multiplier": float(multipliers[np.abs(multipliers - closed_multiplier).argmax()]),
        "closed_multiplier": closed_multiplier,
    }
