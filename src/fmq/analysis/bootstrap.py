"""The stratified bootstrap over runs, through rliable: a statistic of runs x tasks, its interval.

With a single run there is nothing to resample: `low` and `high` are then empty.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from rliable.library import get_interval_estimates

from fmq.analysis.csvw import Columns
from fmq.analysis.matrices import Matrix, runs_by_tasks
from fmq.seeding import derive_seed, global_numpy_seed
from fmq.settings import Study


class Estimate(NamedTuple):
    """Values and their interval, each of shape (K,); the interval is NaN with a single run."""

    value: Matrix
    low: Matrix
    high: Matrix


def bootstrap(study: Study, function: Callable[..., Matrix], *matrices: pd.DataFrame) -> Estimate:
    """`function` of the matrices, with the interval of the stratified bootstrap.

    Args:
        function: from one (R, T) array per matrix to (K,).
        matrices: runs x tasks; several are resampled independently of each other.
    """
    arrays = [runs_by_tasks(matrix) for matrix in matrices]
    if min(len(array) for array in arrays) < 2:
        value = np.asarray(function(*arrays), dtype=np.float64)
        return Estimate(value, np.full_like(value, np.nan), np.full_like(value, np.nan))
    # rliable ignores its random_state and draws from numpy's global generator. The seed is the
    # same for every row, so that rows with the same scores have the same interval.
    with global_numpy_seed(derive_seed(study.seed, "statistics")):
        values, intervals = get_interval_estimates(
            {"row": arrays[0] if len(arrays) == 1 else arrays},
            function,
            reps=study.statistics.resamples,
            confidence_interval_size=study.statistics.confidence,
        )
    return Estimate(values["row"], *intervals["row"])


def described(estimate: Estimate, matrix: pd.DataFrame) -> pd.DataFrame:
    """An estimate as a frame of K rows, with the number of runs and tasks behind it."""
    # Rounded, so that no rate is above 1 by an error in its last digit.
    frame = pd.DataFrame(estimate._asdict()).round(12)
    return frame.assign(runs=matrix.shape[0], tasks=matrix.shape[1])


def stacked(parts: Sequence[pd.DataFrame], columns: Columns) -> pd.DataFrame:
    """Estimates below each other; none is a table without rows."""
    return pd.concat(parts) if parts else pd.DataFrame(columns=list(columns))
