"""Estimate statistics of runs x tasks by the stratified bootstrap over runs, through rliable.

With a single run there is nothing to resample, and `low` and `high` are empty.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from rliable.library import get_interval_estimates

from fmq.analysis.inputs.csvw import Columns
from fmq.analysis.inputs.matrices import Matrix, runs_by_tasks
from fmq.base.seeding import derive_seed, global_numpy_seed
from fmq.config.study import Study


class Estimate(NamedTuple):
    """Values and their intervals, each of shape (K,); the interval is NaN with a single run."""

    value: Matrix
    low: Matrix
    high: Matrix


def bootstrap(study: Study, function: Callable[..., Matrix], *matrices: pd.DataFrame) -> Estimate:
    """Evaluate `function` on the matrices and return it with its stratified-bootstrap interval.

    Args:
        function: maps one (R, T) array per matrix to an array of shape (K,).
        matrices: runs x tasks; several matrices are resampled independently.
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
    """Return an estimate as a frame of K rows, with the number of runs and tasks behind it."""
    # Round, so that floating-point error cannot push a rate above 1.
    frame = pd.DataFrame(estimate._asdict()).round(12)
    return frame.assign(runs=matrix.shape[0], tasks=matrix.shape[1])


def stacked(parts: Sequence[pd.DataFrame], columns: Columns) -> pd.DataFrame:
    """Concatenate estimates; without any, return an empty frame with `columns`."""
    return pd.concat(parts) if parts else pd.DataFrame(columns=list(columns))
