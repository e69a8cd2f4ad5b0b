"""Arrange scores as matrices of runs x tasks, and estimate statistics of them by the bootstrap.

The bootstrap is stratified, over runs within each task, through rliable. With a single run there is
nothing to resample, and `low` and `high` are empty.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rliable.library import get_interval_estimates

from fmq.base.seeding import derive_seed, global_numpy_seed
from fmq.config.study import Study

Matrix = NDArray[np.float64]


def score_matrix(
    study: Study, final: pd.DataFrame, method: str, sampler: str, measure: str = "success"
) -> pd.DataFrame:
    """Return the final scores of one row of the comparison, arranged runs x tasks.

    Returns:
        frame of shape (R, T), indexed by ``seed`` in ascending order, with columns by ``task`` as
        in the settings; NaN where a score is missing.

    Raises:
        ValueError: a score is missing and the study does not allow it.
    """
    rows = final[(final["method"] == method) & (final["sampler"] == sampler)]
    matrix = rows.pivot(index="seed", columns="task", values=measure)
    matrix = matrix.reindex(
        index=pd.Index(sorted(study.seeds), name="seed"),
        columns=pd.Index(study.tasks, name="task"),
    )
    if matrix.isna().any(axis=None) and not study.allow_missing:
        raise ValueError(f"{method} with {sampler} lacks a final score of some seed or task")
    return matrix


def complete_runs(study: Study, matrix: pd.DataFrame) -> pd.DataFrame | None:
    """Select the seeds that have every task, (R', T); None if there are too few of them.

    Two seeds are needed, or one in a study of a single seed.
    """
    complete = matrix.dropna()
    return complete if len(complete) >= min(2, len(study.seeds)) else None


def without_gaps(matrix: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Split a matrix into parts without gaps, each with all tasks that have the same seeds.

    A matrix without gaps is yielded as a single part.
    """
    seeds = {task: tuple(matrix.index[matrix[task].notna()]) for task in matrix.columns}
    for some in dict.fromkeys(filter(None, seeds.values())):
        yield matrix.loc[list(some), [task for task in matrix.columns if seeds[task] == some]]


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

    Raises:
        ValueError: the axes of a matrix are not runs x tasks.
    """
    arrays = [_runs_by_tasks(matrix) for matrix in matrices]
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


def _runs_by_tasks(matrix: pd.DataFrame) -> Matrix:
    """Return the values, (R, T); of a transposed matrix, rliable's interval silently collapses."""
    if (matrix.index.name, matrix.columns.name) != ("seed", "task"):
        raise ValueError(
            "expected rows by seed and columns by task, found "
            f"{matrix.index.name} and {matrix.columns.name}"
        )
    return matrix.to_numpy(dtype=np.float64)


def described(estimate: Estimate, matrix: pd.DataFrame) -> pd.DataFrame:
    """Return an estimate as a frame of K rows, with the number of runs and tasks behind it."""
    # Round, so that floating-point error cannot push a rate above 1.
    frame = pd.DataFrame(estimate._asdict()).round(12)
    return frame.assign(runs=matrix.shape[0], tasks=matrix.shape[1])
