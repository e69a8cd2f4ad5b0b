"""Define the columns of the statistics files, and read these files for tables and figures."""

from pathlib import Path

import pandas as pd

from fmq.analysis.inputs.csvw import Column, Columns, read_table
from fmq.analysis.inputs.scores import STAGES, comparison_rows
from fmq.base.errors import UserError
from fmq.config.study import Study

_STAGE = {"stage": Column("string", "scores after offline or online training", allowed=STAGES)}
_ROW = {
    "method": Column("string", "key of the method"),
    "sampler": Column("string", "how the policy turned noise into actions"),
}
_OTHER = {
    "other_method": Column("string", "method it is compared with"),
    "other_sampler": Column("string", "sampler it is compared with"),
}
_RUNS = {
    "runs": Column("integer", "runs (seeds) per task", minimum=1),
    "tasks": Column("integer", "tasks", minimum=1),
}
_LOW = "lower end of the stratified-bootstrap interval; empty with a single run"
_HIGH = "upper end of the stratified-bootstrap interval; empty with a single run"

_IMPROVEMENT = "probability that a run has a higher success rate than one of the other row"
_DEVIATION = "standard deviation over runs of the mean over tasks; empty with a single run"


def _estimate(description: str, maximum: float = 1.0) -> dict[str, Column]:
    """Return the columns of a value and its interval."""
    return {
        "value": Column("number", description, 0, maximum),
        "low": Column("number", _LOW, 0, maximum, optional=True),
        "high": Column("number", _HIGH, 0, maximum, optional=True),
    }


_METRIC = Column(
    "string", "aggregate over runs and tasks", allowed=("iqm", "mean", "median", "optimality_gap")
)
AGGREGATES: Columns = (
    _STAGE | _ROW | {"metric": _METRIC} | _estimate("aggregate of success rates") | _RUNS
)
PROFILES: Columns = (
    _STAGE
    | _ROW
    | {"threshold": Column("number", "success rate", 0, 1)}
    | _estimate("fraction of runs whose success rate is above the threshold")
    | _RUNS
)
IMPROVEMENT: Columns = _STAGE | _ROW | _OTHER | _estimate(_IMPROVEMENT) | _RUNS
TASK_MEANS: Columns = (
    _STAGE
    | {"task": Column("string", "name of the task")}
    | _ROW
    | {
        "measure": Column(
            "string", "success rate, or environment steps", allowed=("success", "length")
        )
    }
    | _estimate("mean over runs", maximum=float("inf"))
    | {
        "deviation": Column(
            "number", "standard deviation over runs; empty with a single run", 0, optional=True
        ),
    }
    | _RUNS
)
COMPARISONS: Columns = (
    _STAGE
    | _ROW
    | _OTHER
    | {
        "tasks_above": Column("integer", "tasks on which its mean over runs is higher", minimum=0),
        "tasks_below": Column("integer", "tasks on which its mean over runs is lower", minimum=0),
        "difference": Column("number", "IQM over runs and tasks minus the other row's", -1, 1),
        "difference_low": Column("number", _LOW, -1, 1, optional=True),
        "difference_high": Column("number", _HIGH, -1, 1, optional=True),
        "improvement": Column("number", _IMPROVEMENT, 0, 1),
        "improvement_low": Column("number", _LOW, 0, 1, optional=True),
        "improvement_high": Column("number", _HIGH, 0, 1, optional=True),
        "mean": Column("number", "mean success over tasks and runs", 0, 1),
        "deviation": Column("number", _DEVIATION, 0, optional=True),
        "other_mean": Column("number", "mean success of the other row", 0, 1),
        "other_deviation": Column("number", f"{_DEVIATION}, of the other row", 0, optional=True),
    }
    | _RUNS
    | {"other_runs": Column("integer", "runs (seeds) per task of the other row", minimum=1)}
)

_KEYS = {
    "aggregates": (AGGREGATES, ("stage", "method", "sampler", "metric")),
    "profiles": (PROFILES, ("stage", "method", "sampler", "threshold")),
    "improvement": (IMPROVEMENT, ("stage", "method", "sampler", "other_method", "other_sampler")),
    "comparisons": (COMPARISONS, ("stage", "method", "sampler", "other_method", "other_sampler")),
    "task_means": (TASK_MEANS, ("stage", "task", "method", "sampler", "measure")),
}


def read_estimates(study: Study, folder: Path, name: str) -> pd.DataFrame:
    """Read `name`.csv of a folder written by `fmq.analysis.statistics.aggregates.write_statistics`.

    Raises:
        UserError: the file is missing or malformed, or belongs to another study.
    """
    path = folder / f"{name}.csv"
    columns, key = _KEYS[name]
    estimates = read_table(path, columns, key)
    wanted = {(stage, row) for stage in STAGES for row in comparison_rows(study, stage)}
    rows = zip(estimates["method"], estimates["sampler"], strict=True)
    found = set(zip(estimates["stage"], rows, strict=True))
    # Comparisons have a row only for what differs from the first row, which may be nothing.
    partial = study.allow_missing or name in ("improvement", "comparisons")
    complete = found <= wanted if partial else found == wanted
    runs = estimates["runs"] == len(study.seeds)
    if study.allow_missing:
        runs = estimates["runs"] <= len(study.seeds)
    if not complete or not (runs & (estimates["tasks"] == len(study.tasks))).all():
        raise UserError(
            f"{path}: its methods, seeds or tasks are not the study's; run `fmq statistics` again"
        )
    return estimates
