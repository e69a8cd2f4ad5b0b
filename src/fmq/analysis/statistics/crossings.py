"""Find when one learning curve reaches levels of another, and how much sooner.

The levels are 75, 85, 95 and 100% of the highest point of the other curve, MVP's. A curve reaches
a level at its first evaluation at or above it, so the spacing of the evaluations is the resolution;
or, interpolated, where the straight line from the evaluation before crosses it. Nothing is known
before the first evaluation, which is not interpolated. The speed-up is MVP's cost of reaching the
level over FMQ's.

MVP reaches every level, by definition. Where FMQ does not within its budget, its cost is censored:
the speed-up lies between 0 and MVP's cost over FMQ's whole budget. Where MVP never succeeds, there
is no level and no speed-up.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmq.analysis.statistics.bootstrap import Matrix

Places = Matrix | NDArray[np.int64]
"""Indices of evaluations, possibly fractional."""

LEVELS = (0.75, 0.85, 0.95, 1.0)
_SLACK = 1e-9  # tolerates rounding: fractions summed in another order are the same level


class Crossings(NamedTuple):
    """The evaluations at which the mean curves of FMQ and MVP reach MVP's levels, shape (T, L).

    Attributes:
        success: success rate of each level.
        ours, theirs: index of the first evaluation at or above it or, interpolated, a fractional
            index; E if there is none.
    """

    success: Matrix
    ours: Places
    theirs: Places


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


def interpolated(curves: Matrix, levels: Matrix) -> Matrix:
    """Return the fractional index at which each curve crosses each level; E if it does not.

    Args:
        curves, levels: as for `first_reached`.

    Returns:
        indices of shape (..., L), between that of `first_reached` and the one before.
    """
    first = first_reached(curves, levels)
    after = np.minimum(first, curves.shape[-1] - 1)
    before = np.maximum(after - 1, 0)
    low, high = (np.take_along_axis(curves, each, -1) for each in (before, after))
    rises = high > low
    share = np.where(rises, (levels - low) / np.where(rises, high - low, 1), 1).clip(0, 1)
    return np.where(first == curves.shape[-1], first, before + share * (after - before))


def crossings(ours: Matrix, theirs: Matrix, *, between: bool = False) -> Crossings:
    """Find where two mean curves, each (T, E), reach the levels of the second.

    Args:
        between: whether to interpolate between the evaluations.
    """
    levels = theirs.max(axis=1)[:, None] * np.array(LEVELS)
    find = interpolated if between else first_reached
    return Crossings(levels, find(ours, levels), find(theirs, levels))


def cost_of(places: Places, costs: Matrix) -> Matrix:
    """Look up `costs` (E,) at the indices `places` (T, L), linearly between two of them.

    Beyond the last evaluation, costs are NaN.
    """
    padded = np.append(costs, np.nan)
    before, after = np.floor(places).astype(int), np.ceil(places).astype(int)
    low, high = padded[before], padded[after]
    return low + (places - before) * (high - low)


def speedups(found: Crossings, costs: Matrix) -> tuple[Matrix, Matrix]:
    """Return lower and upper bounds of the speed-up, (T, L) each; NaN without a level.

    The bounds differ only where our cost is censored.

    Args:
        costs: cost up to each evaluation, of either method on any task, (E,).
    """
    ours, theirs = cost_of(found.ours, costs), cost_of(found.theirs, costs)
    censored = found.ours == len(costs)
    least = np.where(censored, 0.0, theirs / ours)
    most = theirs / np.where(censored, costs[-1], ours)
    nothing = found.success <= 0  # a success rate of 0 is no level to reach
    return np.where(nothing, np.nan, least), np.where(nothing, np.nan, most)
