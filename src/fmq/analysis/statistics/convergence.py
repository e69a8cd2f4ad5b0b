"""Measure how much sooner FMQ reaches MVP's best success, in environment steps.

A method's curve on a task is its mean success over runs at the online evaluations, under the
sampler that it acts with. `statistics.crossings` finds when such curves reach a level. The rows of
a task use all its finished runs; the mean over tasks uses only the seeds that have every task.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fmq.analysis.inputs.csvw import Column, Columns
from fmq.analysis.statistics.bootstrap import Matrix, bootstrap, complete_runs
from fmq.analysis.statistics.crossings import LEVELS, cost_of, crossings, first_reached, speedups
from fmq.config.study import Study

PAIR = ("fmq", "mvp")
MEAN = "mean over tasks"
STATES = ("measured", "censored", "no level", "no runs")

_COST = "to the first evaluation at or above the level; empty if there is none"
_LINE = "up to where the line between two evaluations crosses the level; empty if none does"
_BOUND = "the same as the other bound unless FMQ's cost is censored"
_RUNS = "single runs whose own curve reaches the level"
CONVERGENCE: Columns = {
    "task": Column("string", f"name of the task, or {MEAN!r}"),
    "level": Column("number", "fraction of the best point of MVP's mean curve", 0, 1),
    "state": Column("string", "censored: beyond FMQ's budget", allowed=STATES),
    "success": Column("number", "success rate of the level", 0, 1, optional=True),
    "fmq": Column("number", f"cost of FMQ {_COST}", 0, optional=True),
    "mvp": Column("number", f"cost of MVP {_COST}", 0, optional=True),
    "fmq_interpolated": Column("number", f"cost of FMQ {_LINE}", 0, optional=True),
    "mvp_interpolated": Column("number", f"cost of MVP {_LINE}", 0, optional=True),
    "least": Column("number", f"lower bound of the speed-up, {_BOUND}", 0, optional=True),
    "most": Column("number", f"upper bound of the speed-up, {_BOUND}", 0, optional=True),
    "interpolated": Column(
        "number", "upper bound of the speed-up by the interpolated costs", 0, optional=True
    ),
    "low": Column("number", "lower end of the lower bound's bootstrap interval", 0, optional=True),
    "high": Column("number", "upper end of the upper bound's bootstrap interval", 0, optional=True),
    "fmq_reached": Column("integer", f"FMQ's {_RUNS}", 0),
    "fmq_runs": Column("integer", "FMQ's runs", 0),
    "mvp_reached": Column("integer", f"MVP's {_RUNS}", 0),
    "mvp_runs": Column("integer", "MVP's runs", 0),
    "tasks": Column("integer", "tasks with a speed-up or a bound on it", 0),
    "tasks_censored": Column("integer", "tasks on which FMQ's cost is censored", 0),
}


class Curves(NamedTuple):
    """The learning curves of all runs of one method; NaN where an evaluation is missing.

    Attributes:
        success: success rates, shape (R, T, E).
        places: row index into `success` of each seed and task, as a frame seed x task; NaN where
            a run is incomplete.
    """

    success: Matrix
    places: pd.DataFrame


def evaluation_steps(study: Study) -> list[int]:
    """Return the environment steps of the online evaluations, of length E."""
    every, steps = study.online.evaluate_every, study.online.steps
    return [*range(every, steps, every), steps]


def method_curves(study: Study, scores: pd.DataFrame, method: str) -> Curves:
    """Return the online curves of `method` under its own sampler.

    Args:
        scores: columns `fmq.analysis.inputs.scores.SCORES`.
    """
    seeds, steps = sorted(study.seeds), evaluation_steps(study)
    own = scores[
        (scores["method"] == method)
        & (scores["sampler"] == study.method(method).sampler)
        & (scores["stage"] == "online")
    ]
    columns = pd.MultiIndex.from_product([study.tasks, steps])
    table = own.pivot(index="seed", columns=["task", "step"], values="success")
    success = table.reindex(index=seeds, columns=columns).to_numpy(dtype=np.float64)
    success = success.reshape(len(seeds), len(study.tasks), len(steps))
    whole = ~np.isnan(success).any(axis=2)
    places = np.where(whole, np.arange(len(seeds), dtype=np.float64)[:, None], np.nan)
    index, tasks = pd.Index(seeds, name="seed"), pd.Index(study.tasks, name="task")
    return Curves(success, pd.DataFrame(places, index, tasks))


def _means(values: Matrix) -> Matrix:
    """Average (T, L) over the tasks that have a value, giving (L,); NaN if none has."""
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(there, values, 0.0).sum(axis=0) / there.sum(axis=0)


def convergence(study: Study, ours: Curves, theirs: Curves) -> pd.DataFrame:
    """Return a row per task and level, then one per level for the mean over tasks.

    Args:
        ours, theirs: curves of FMQ and of MVP.

    Returns:
        frame with the columns `CONVERGENCE`.
    """
    parts = [
        _task_rows(study, ours, theirs, place).assign(task=task)
        for place, task in enumerate(study.tasks)
    ]
    tasks = pd.concat(parts, ignore_index=True)
    rows = pd.concat([tasks, _mean_rows(study, ours, theirs, tasks)], ignore_index=True)
    return rows.reindex(columns=list(CONVERGENCE))


def _over_runs(values: Matrix, runs: NDArray[np.int64]) -> Matrix:
    """Average `values`, (R, T, E), over each task's run indices `runs`, (R', T), giving (T, E)."""
    return values[runs, np.arange(runs.shape[1])].mean(axis=0)


def _task_rows(study: Study, ours: Curves, theirs: Curves, task: int) -> pd.DataFrame:
    """Return the rows of one task, over its complete runs."""
    one, other = (_of_task(curves, task) for curves in (ours, theirs))
    rows = pd.DataFrame({"level": LEVELS, "tasks": 0, "tasks_censored": 0})
    rows = rows.assign(fmq_runs=len(one.success), mvp_runs=len(other.success))
    if not (len(one.success) and len(other.success)):
        return rows.assign(state="no runs", fmq_reached=0, mvp_reached=0)
    means = one.success.mean(axis=0), other.success.mean(axis=0)
    found, between = crossings(*means), crossings(*means, between=True)
    steps = np.array(evaluation_steps(study), np.float64)
    (least,), (most,) = speedups(found, steps)
    _, (interpolated,) = speedups(between, steps)
    censored, level = found.ours[0] == len(steps), found.success[0] > 0
    states = np.select([~level, censored], ["no level", "censored"], "measured")
    for name, curves, places, line in (
        ("fmq", one, found.ours, between.ours),
        ("mvp", other, found.theirs, between.theirs),
    ):
        rows[name] = np.where(level, cost_of(places, steps)[0], np.nan)
        rows[f"{name}_interpolated"] = np.where(level, cost_of(line, steps)[0], np.nan)
        reached = first_reached(curves.success[:, 0], found.success) < curves.success.shape[2]
        rows[f"{name}_reached"] = np.where(level, reached.sum(axis=0), 0)
    return rows.assign(
        success=found.success[0],
        least=least,
        most=most,
        interpolated=interpolated,
        state=states,
        tasks=(~np.isnan(most)).astype(int),
        tasks_censored=(states == "censored").astype(int),
    )


def _of_task(curves: Curves, task: int) -> Curves:
    """Select the complete runs of one task."""
    runs = curves.places.iloc[:, task].dropna().astype(int).to_numpy()
    return Curves(curves.success[runs, task : task + 1], curves.places.iloc[runs, [task]])


def _mean_rows(study: Study, ours: Curves, theirs: Curves, tasks: pd.DataFrame) -> pd.DataFrame:
    """Return the mean speed-up over tasks with its interval, over the seeds that have every task.

    The bootstrap resamples whole runs: the matrices hold row indices, so that a run's entire curve
    is drawn with it. MVP's best, and with it the levels, are computed anew for each resample.
    """

    steps = np.array(evaluation_steps(study), np.float64)

    def statistic(our_places: Matrix, their_places: Matrix) -> Matrix:
        chosen = [(ours, our_places.astype(int)), (theirs, their_places.astype(int))]
        means = [_over_runs(curves.success, runs) for curves, runs in chosen]
        least, most = speedups(crossings(*means), steps)
        _, interpolated = speedups(crossings(*means, between=True), steps)
        return np.concatenate([_means(bound) for bound in (least, most, interpolated)])

    counts = ["fmq_reached", "fmq_runs", "mvp_reached", "mvp_runs", "tasks", "tasks_censored"]
    rows = tasks.groupby("level", as_index=False)[counts].sum().assign(task=MEAN)
    our_runs, their_runs = (complete_runs(study, curves.places) for curves in (ours, theirs))
    if our_runs is None or their_runs is None:
        return rows.assign(state="no runs")
    estimate = bootstrap(study, statistic, our_runs, their_runs)
    (least, most, line), (low, _, _), (_, high, _) = (np.split(each, 3) for each in estimate)
    state = np.where(least < most, "censored", "measured")
    state = np.where(np.isnan(most), "no level", state)
    return rows.assign(least=least, most=most, interpolated=line, low=low, high=high, state=state)
