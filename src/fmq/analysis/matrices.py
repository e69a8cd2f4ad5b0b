"""Final scores arranged runs x tasks, with and without gaps."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fmq.settings import Study

Matrix = NDArray[np.float64]


def score_matrix(
    study: Study, final: pd.DataFrame, method: str, sampler: str, measure: str = "success"
) -> pd.DataFrame:
    """The final scores of one row of the comparison, arranged runs x tasks.

    Returns:
        (R, T), indexed by ``seed`` in rising order, with columns by ``task`` as in the settings;
        NaN where a score is missing.

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
    """The seeds that have every task, (R', T), or None if they are too few to speak for the row.

    Two are needed; a study of a single seed has to do with one.
    """
    complete = matrix.dropna()
    return complete if len(complete) >= min(2, len(study.seeds)) else None


def runs_by_tasks(matrix: pd.DataFrame) -> Matrix:
    """The values of `matrix`, (R, T); `ValueError` if its axes are not runs x tasks.

    rliable cannot tell a transposed matrix, and with one the interval silently collapses.
    """
    if (matrix.index.name, matrix.columns.name) != ("seed", "task"):
        raise ValueError(
            "expected rows by seed and columns by task, found "
            f"{matrix.index.name} and {matrix.columns.name}"
        )
    return matrix.to_numpy(dtype=np.float64)


def without_gaps(matrix: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The tasks that have the same seeds, together: a matrix without gaps is a single part."""
    seeds = {task: tuple(matrix.index[matrix[task].notna()]) for task in matrix.columns}
    for some in dict.fromkeys(filter(None, seeds.values())):
        yield matrix.loc[list(some), [task for task in matrix.columns if seeds[task] == some]]
