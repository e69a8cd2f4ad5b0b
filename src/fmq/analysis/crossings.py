"""When a curve is where another curve gets to, and how much sooner.

The levels are 75, 85, 95 and 100% of the highest point of the other's curve, MVP's. A curve is at a
level with its first evaluation at or above it; nothing is interpolated, so that evaluations are the
resolution. The speed-up is MVP's cost of getting there over FMQ's.

MVP reaches every level, by definition. Where FMQ does not within the budget, its cost is censored:
the speed-up is known to lie between 0 and MVP's cost over FMQ's whole budget. Where MVP never
succeeds there is no level, and no speed-up.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmq.analysis.matrices import Matrix

LEVELS = (0.75, 0.85, 0.95, 1.0)
_SLACK = 1e-9  # a sum of fractions in another order is the same level


class Crossings(NamedTuple):
    """Where the mean curves of FMQ and MVP cross MVP's levels, each of shape (T, L).

    Attributes:
        success: the success rate of the level.
        ours, theirs: place of the first evaluation at or above it; E if there is none.
    """

    success: Matrix
    ours: NDArray[np.int64]
    theirs: NDArray[np.int64]


def first_reached(curves: Matrix, levels: Matrix) -> NDArray[np.int64]:
    """Place of the first evaluation at or above each level; E if none is.

    Args:
        curves: (..., E).
        levels: (..., L).

    Returns:
        (..., L)
    """
    reached = curves[..., None, :] >= levels[..., None] - _SLACK
    return np.where(reached.any(-1), reached.argmax(-1), curves.shape[-1])


def crossings(ours: Matrix, theirs: Matrix) -> Crossings:
    """Where mean curves, each (T, E), cross the levels of the second."""
    levels = theirs.max(axis=1)[:, None] * np.array(LEVELS)
    return Crossings(levels, first_reached(ours, levels), first_reached(theirs, levels))


def cost_of(places: NDArray[np.int64], costs: Matrix) -> Matrix:
    """The cost at each place, NaN beyond the last; `places` (T, L), `costs` (T, E)."""
    return np.take_along_axis(np.pad(costs, ((0, 0), (0, 1)), constant_values=np.nan), places, 1)


def speedups(found: Crossings, our_costs: Matrix, their_costs: Matrix) -> tuple[Matrix, Matrix]:
    """Least and most that the speed-up can be, (T, L) each; NaN without a level.

    Args:
        our_costs, their_costs: cost up to each evaluation, (T, E).
    """
    ours, theirs = cost_of(found.ours, our_costs), cost_of(found.theirs, their_costs)
    censored = found.ours == our_costs.shape[1]
    least = np.where(censored, 0.0, theirs / ours)
    most = theirs / np.where(censored, our_costs[:, -1:], ours)
    # A level of nothing is no achievement; an unknown time has no bounds.
    unknown = (found.success <= 0) | np.isnan(most)
    return np.where(unknown, np.nan, least), np.where(unknown, np.nan, most)
