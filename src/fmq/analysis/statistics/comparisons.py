"""Compare FMQ with every other row: tasks won and lost, IQM difference, improvement.

All numbers of a comparison use the same runs: the seeds that have every task.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from fmq.analysis.inputs.scores import comparison_rows
from fmq.analysis.statistics.bootstrap import Matrix, bootstrap, complete_runs, score_matrix
from fmq.analysis.statistics.estimates import METRICS, stacked
from fmq.config.study import Study

Row = tuple[str, str]


class Pair(NamedTuple):
    """Two rows of the comparison, each a method and a sampler, with their scores (runs x tasks).

    Only complete runs are kept.
    """

    row: Row
    other_row: Row
    ours: pd.DataFrame
    theirs: pd.DataFrame

    def names(self) -> dict[str, str]:
        """Return the columns that identify both rows."""
        columns = ("method", "sampler", "other_method", "other_sampler")
        return dict(zip(columns, (*self.row, *self.other_row), strict=True))


def first_method(study: Study) -> str:
    """Return the method that the others are compared with: FMQ, or else the first trained here."""
    return "fmq" if "fmq" in study.methods else (study.trained_methods or study.methods)[0]


def compared_rows(study: Study, stage: str) -> list[Row]:
    """Return FMQ (or else the first method) with its own sampler, then the rows to compare it with.

    Offline, methods that share a checkpoint and a sampler have identical numbers, so only the
    first of them is kept. The list is empty where nothing is trained here.
    """
    method = first_method(study)
    first = (method, study.samplers_of(method)[0])
    rows: dict[tuple[str | None, str], Row] = {}
    for name, sampler in sorted(comparison_rows(study, stage), key=lambda row: row != first):
        behind = study.offline_run(name) if stage == "offline" else name
        rows.setdefault((behind, sampler), (name, sampler))
    return list(rows.values())


def pairs(study: Study, final: pd.DataFrame, stage: str) -> Iterator[Pair]:
    """Yield the comparisons for which both rows have enough complete runs.

    Args:
        final: scores at the last step of `stage`.
    """
    rows = compared_rows(study, stage)
    if not rows:
        return
    row, *others = rows
    ours = complete_runs(study, score_matrix(study, final, *row))
    for other in others:
        theirs = complete_runs(study, score_matrix(study, final, *other))
        if ours is not None and theirs is not None:
            yield Pair(row, other, ours, theirs)


def probability_of_improvement(ours: Matrix, theirs: Matrix) -> Matrix:
    """Return P(a run of ours beats one of theirs on the same task), averaged over tasks.

    Ties count half. This is the Mann-Whitney statistic, as in rliable, but without running the
    test on every resample.

    Args:
        ours, theirs: scores of shape (R, T) and (R', T).

    Returns:
        array of shape (1,).
    """
    difference = ours[:, None, :] - theirs[None, :, :]
    return np.array([np.mean((np.sign(difference) + 1) / 2)])


def iqm_difference(ours: Matrix, theirs: Matrix) -> Matrix:
    """Return the IQM of `ours`, (R, T), minus that of `theirs`, (R', T), with shape (1,)."""
    return np.array([METRICS["iqm"](ours) - METRICS["iqm"](theirs)])


def _difference_and_improvement(ours: Matrix, theirs: Matrix) -> Matrix:
    return np.concatenate([iqm_difference(ours, theirs), probability_of_improvement(ours, theirs)])


def comparisons(study: Study, final: pd.DataFrame, stage: str) -> pd.DataFrame:
    """Return a row per comparison, with the columns `estimates.STATISTICS` except the stage.

    Both rows of a comparison are resampled, independently of each other.
    """
    parts = []
    for pair in pairs(study, final, stage):
        estimate = bootstrap(study, _difference_and_improvement, pair.ours, pair.theirs)
        numbers: dict[str, str | int | float] = {**pair.names(), **_counts(pair), **_means(pair)}
        for place, name in enumerate(("difference", "improvement")):
            found = {"": estimate.value, "_low": estimate.low, "_high": estimate.high}
            numbers |= {f"{name}{end}": round(float(k[place]), 12) for end, k in found.items()}
        parts.append(pd.DataFrame([numbers]))
    return stacked(parts, "comparisons")


def _counts(pair: Pair) -> dict[str, int]:
    """Count the tasks on which each row has the higher mean over runs, and the runs behind."""
    # Round, so that equal means summed in another order still compare as equal.
    difference = (pair.ours.mean() - pair.theirs.mean()).round(12)
    return {
        "tasks": len(difference),
        "tasks_above": int((difference > 0).sum()),
        "tasks_below": int((difference < 0).sum()),
        "runs": len(pair.ours),
        "other_runs": len(pair.theirs),
    }


def _means(pair: Pair) -> dict[str, float]:
    """Average success over tasks, and return its mean and standard deviation over runs."""
    found = {}
    for end, matrix in (("", pair.ours), ("other_", pair.theirs)):
        over_tasks = matrix.mean(axis=1)
        found[f"{end}mean"] = round(float(over_tasks.mean()), 12)
        found[f"{end}deviation"] = round(float(over_tasks.std(ddof=1)), 12)
    return found
