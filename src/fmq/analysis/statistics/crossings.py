"""Find when one learning curve reaches levels of another, and how much sooner.

The levels are 75, 85, 95 and 100% of the highest point of the other curve, MVP's. A curve reaches
a level at its first evaluation at or above it; nothing is interpolated, so the spacing of the
evaluations is the resolution. The speed-up is MVP's cost of reaching the level over FMQ's.

MVP reaches every level, by definition. Where FMQ does not within its budget, its cost is censored:
the speed-up lies between 0 and MVP's cost over FMQ's whole budget. Where MVP never succeeds, there
is no level and no speed-up.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmq.analysis.statistics.bootstrap import Matrix

LEVELS = (0.75, 0.85, 0.95, 1.0)
_SLACK = 1e-9  # tolerates rounding: fractions summed in another order are the same level


class Crossings(NamedTuple):
    """The evaluations at which the mean curves of FMQ and MVP reach MVP's levels, shape (T, L).

    Attributes:
        success: success rate of each level.
        ours, theirs: index of the first evaluation at or above it; E if there is none.
    """

    success: Matrix
    ours: NDArray[np.int64]
    theirs: NDArray[np.int64]


def first_reached(curves: Matrix, levels: Matrix) -> NDArray[np.int64]:
    """Return the index of the first evaluation at or above each level; E if there is none.

    Args:
        curves: success rates of shape (..., E).
        levels: success rates of shape (..., L).

    Returns:
        indices of shape (..., L).
    """
    reached = curves[..., None, :] >= levels[..., None] - _SLACK
    return np.where(reached.any(-1), reached.argmax(-1), curves.shape[-1])


def crossings(ours: Matrix, theirs: Matrix) -> Crossings:
    """Find where two mean curves, each (T, E), reach the levels of the second."""
    levels = theirs.max(axis=1)[:, None] * np.array(LEVELS)
    return Crossings(levels, first_reached(ours, levels), first_reached(theirs, levels))


def cost_of(places: NDArray[np.int64], costs: Matrix) -> Matrix:
    """Look up `costs` (T, E) at the indices `places` (T, L); NaN beyond the last evaluation."""
    return np.take_along_axis(np.pad(costs, ((0, 0), (0, 1)), constant_values=np.nan), places, 1)


def speedups(found: Crossings, our_costs: Matrix, their_costs: Matrix) -> tuple[Matrix, Matrix]:
    """Return lower and upper bounds of the speed-up, (T, L) each; NaN without a level.

    The bounds differ only where our cost is censored.

    Args:
        our_costs, their_costs: cost up to each evaluation, (T, E).
    """
    ours, theirs = cost_of(found.ours, our_costs), cost_of(found.theirs, their_costs)
    censored = found.ours == our_costs.shape[1]
    least = np.where(censored, 0.0, theirs / ours)
    most = theirs / np.where(censored, our_costs[:, -1:], ours)
    # A success rate of 0 is no level to reach, and an unknown time has no bounds.
    unknown = (found.success <= 0) | np.isnan(most)
    return np.where(unknown, np.nan, least), np.where(unknown, np.nan, most)
