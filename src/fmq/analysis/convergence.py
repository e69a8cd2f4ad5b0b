"""How much sooner FMQ is where MVP gets to: environment steps and seconds up to MVP's best.

Per task a method's curve is its mean success over runs at the online evaluations, of the sampler
that it acts with. `fmq.analysis.crossings` tells when such curves are at a level. A task is over
the runs that it has, the mean over tasks over those seeds that have every task.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fmq.analysis.bootstrap import bootstrap
from fmq.analysis.crossings import LEVELS, cost_of, crossings, first_reached, speedups
from fmq.analysis.csvw import Column, Columns
from fmq.analysis.matrices import Matrix, complete_runs
from fmq.analysis.training_metrics import training_seconds
from fmq.settings import Study

PAIR = ("fmq", "mvp")
UNITS = ("steps", "seconds")
MEAN = "mean over tasks"
STATES = ("measured", "censored", "no level", "no runs", "no time")

_COST = "to the first evaluation at or above the level; empty if there is none"
_BOUND = "the same as the other bound unless FMQ's cost is censored"
_RUNS = "single runs whose own curve reaches the level"
CONVERGENCE: Columns = {
    "task": Column("string", f"name of the task, or {MEAN!r}"),
    "level": Column("number", "fraction of the best point of MVP's mean curve", 0, 1),
    "state": Column("string", "censored: beyond FMQ's budget", allowed=STATES),
    "success": Column("number", "success rate of the level", 0, 1, optional=True),
    "fmq": Column("number", f"cost of FMQ {_COST}", 0, optional=True),
    "mvp": Column("number", f"cost of MVP {_COST}", 0, optional=True),
    "least": Column("number", f"lower bound of the speed-up, {_BOUND}", 0, optional=True),
    "most": Column("number", f"upper bound of the speed-up, {_BOUND}", 0, optional=True),
    "low": Column("number", "of the bootstrap interval of the lower bound", 0, optional=True),
    "high": Column("number", "of the bootstrap interval of the upper bound", 0, optional=True),
    "fmq_reached": Column("integer", f"FMQ's {_RUNS}", 0),
    "fmq_runs": Column("integer", "FMQ's runs", 0),
    "mvp_reached": Column("integer", f"MVP's {_RUNS}", 0),
    "mvp_runs": Column("integer", "MVP's runs", 0),
    "tasks": Column("integer", "tasks with a speed-up or a bound of it", 0),
    "tasks_censored": Column("integer", "tasks on which FMQ's cost is censored", 0),
}


class Curves(NamedTuple):
    """All runs of one method; NaN where an evaluation or its time is missing.

    Attributes:
        success: success rates, shape (R, T, E).
        seconds: of training up to each evaluation, shape (R, T, E).
        places: the row of `success` that each seed has for each task, as a frame seed x task; NaN
            where a run is not complete.
    """

    success: Matrix
    seconds: Matrix
    places: pd.DataFrame


def evaluation_steps(study: Study) -> list[int]:
    """Environment steps of the online evaluations, (E,)."""
    every, steps = study.online.evaluate_every, study.online.steps
    return [*range(every, steps, every), steps]


def method_curves(study: Study, scores: pd.DataFrame, metrics: pd.DataFrame, method: str) -> Curves:
    """The online curves of `method` under its own sampler.

    Args:
        scores: columns `fmq.analysis.scores.SCORES`.
        metrics: what `read_metrics` returns.
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
    rows = dict(iter(metrics[metrics["method"] == method].groupby(["task", "seed"])))
    nothing = metrics[:0]
    seconds = [
        [training_seconds(study, rows.get((task, seed), nothing), steps) for task in study.tasks]
        for seed in seeds
    ]
    whole = ~np.isnan(success).any(axis=2)
    places = np.where(whole, np.arange(len(seeds), dtype=np.float64)[:, None], np.nan)
    index, tasks = pd.Index(seeds, name="seed"), pd.Index(study.tasks, name="task")
    return Curves(success, np.array(seconds), pd.DataFrame(places, index, tasks))


def _means(values: Matrix) -> Matrix:
    """Over the tasks that have a value: (T, L) to (L,); NaN if none has."""
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(there, values, 0.0).sum(axis=0) / there.sum(axis=0)


def convergence(study: Study, ours: Curves, theirs: Curves, unit: str) -> pd.DataFrame:
    """A row per task and level, and per level one for the mean over tasks; columns `CONVERGENCE`.

    Args:
        ours, theirs: curves of FMQ and of MVP.
        unit: of `UNITS`: environment steps, or seconds of training.
    """
    parts = [
        _task_rows(study, ours, theirs, place, unit).assign(task=task)
        for place, task in enumerate(study.tasks)
    ]
    tasks = pd.concat(parts, ignore_index=True)
    rows = pd.concat([tasks, _mean_rows(study, ours, theirs, tasks, unit)], ignore_index=True)
    return rows[list(CONVERGENCE)]


def _over_runs(values: Matrix, runs: NDArray[np.int64]) -> Matrix:
    """Mean of `values`, (R, T, E), over `runs`, (R', T), chosen for each task: (T, E)."""
    return values[runs, np.arange(runs.shape[1])].mean(axis=0)


def _costs(study: Study, curves: Curves, runs: NDArray[np.int64], unit: str) -> Matrix:
    """Mean cost up to each evaluation, (T, E), over `runs` as in `_over_runs`."""
    if unit == "steps":
        return np.tile(np.array(evaluation_steps(study), np.float64), (runs.shape[1], 1))
    return _over_runs(curves.seconds, runs)


def _task_rows(study: Study, ours: Curves, theirs: Curves, task: int, unit: str) -> pd.DataFrame:
    """The rows of one task, over the runs that it has."""
    one, other = (_of_task(curves, task) for curves in (ours, theirs))
    rows = pd.DataFrame({"level": LEVELS, "tasks": 0, "tasks_censored": 0})
    rows = rows.assign(fmq_runs=len(one.success), mvp_runs=len(other.success))
    if not (len(one.success) and len(other.success)):
        return rows.assign(state="no runs", fmq_reached=0, mvp_reached=0).reindex(
            columns=list(CONVERGENCE)
        )
    found = crossings(one.success.mean(axis=0), other.success.mean(axis=0))
    costs = [
        _costs(study, curves, np.arange(len(curves.success))[:, None], unit)
        for curves in (one, other)
    ]
    (least,), (most,) = speedups(found, *costs)
    censored, level = found.ours[0] == len(evaluation_steps(study)), found.success[0] > 0
    names = ["no level", "no time", "censored"]
    states = np.select([~level, np.isnan(most), censored], names, "measured")
    for name, curves, places, cost in (
        ("fmq", one, found.ours, costs[0]),
        ("mvp", other, found.theirs, costs[1]),
    ):
        rows[name] = np.where(level, cost_of(places, cost)[0], np.nan)
        reached = first_reached(curves.success[:, 0], found.success) < curves.success.shape[2]
        rows[f"{name}_reached"] = np.where(level, reached.sum(axis=0), 0)
    return rows.assign(
        success=found.success[0],
        least=least,
        most=most,
        low=np.nan,
        high=np.nan,
        state=states,
        tasks=(~np.isnan(most)).astype(int),
        tasks_censored=(states == "censored").astype(int),
    )


def _of_task(curves: Curves, task: int) -> Curves:
    """The complete runs of one task."""
    runs = curves.places.iloc[:, task].dropna().astype(int).to_numpy()
    chosen = curves.success[runs, task : task + 1], curves.seconds[runs, task : task + 1]
    return Curves(*chosen, curves.places.iloc[runs, [task]])


def _mean_rows(
    study: Study, ours: Curves, theirs: Curves, tasks: pd.DataFrame, unit: str
) -> pd.DataFrame:
    """Mean speed-up over tasks, of those runs whose seed has every task, with its interval.

    What is resampled is the run: a matrix holds its place, and its whole curve goes with it. MVP's
    best, and with it the levels, are those of the resample.
    """

    def statistic(our_places: Matrix, their_places: Matrix) -> Matrix:
        chosen = [(ours, our_places.astype(int)), (theirs, their_places.astype(int))]
        found = crossings(*(_over_runs(curves.success, runs) for curves, runs in chosen))
        bounds = speedups(found, *(_costs(study, *each, unit) for each in chosen))
        return np.concatenate([_means(bound) for bound in bounds])

    counts = ["fmq_reached", "fmq_runs", "mvp_reached", "mvp_runs", "tasks", "tasks_censored"]
    rows = tasks.groupby("level", as_index=False)[counts].sum().assign(task=MEAN)
    our_runs, their_runs = (complete_runs(study, curves.places) for curves in (ours, theirs))
    if our_runs is None or their_runs is None:
        return rows.assign(state="no runs").reindex(columns=list(CONVERGENCE))
    estimate = bootstrap(study, statistic, our_runs, their_runs)
    (least, most), (low, _), (_, high) = (np.split(each, 2) for each in estimate)
    nothing = "no time" if (tasks["state"] == "no time").any() else "no level"
    state = np.where(least < most, "censored", "measured")
    return rows.assign(
        least=least, most=most, low=low, high=high, state=np.where(np.isnan(most), nothing, state)
    ).reindex(columns=list(CONVERGENCE))
