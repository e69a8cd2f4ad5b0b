"""Arrange final scores as matrices of runs x tasks, with and without gaps."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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


def runs_by_tasks(matrix: pd.DataFrame) -> Matrix:
    """Return the values of `matrix`, (R, T), after checking that its axes are runs x tasks.

    rliable cannot detect a transposed matrix, for which the interval silently collapses.

    Raises:
        ValueError: the axes are not runs x tasks.
    """
    if (matrix.index.name, matrix.columns.name) != ("seed", "task"):
        raise ValueError(
            "expected rows by seed and columns by task, found "
            f"{matrix.index.name} and {matrix.columns.name}"
        )
    return matrix.to_numpy(dtype=np.float64)


def without_gaps(matrix: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Split a matrix into parts without gaps, each with all tasks that have the same seeds.

    A matrix without gaps is yielded as a single part.
    """
    seeds = {task: tuple(matrix.index[matrix[task].notna()]) for task in matrix.columns}
    for some in dict.fromkeys(filter(None, seeds.values())):
        yield matrix.loc[list(some), [task for task in matrix.columns if seeds[task] == some]]
