"""Define the columns of the statistics files, and read these files for tables and figures."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from rliable import metrics

from fmq.analysis.inputs.csvw import Column, Columns, read_table
from fmq.analysis.inputs.evaluations import SAMPLER, TASK
from fmq.analysis.inputs.provenance import recorded_notes
from fmq.analysis.inputs.scores import STAGES, comparison_rows
from fmq.analysis.statistics.bootstrap import Matrix
from fmq.base.errors import UserError
from fmq.base.files import file_sha256
from fmq.config.study import Study

_STAGE = {"stage": Column("string", "scores after offline or online training", allowed=STAGES)}
_ROW = {"method": Column("string", "key of the method"), "sampler": SAMPLER}
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
_SPREAD = "standard deviation over runs; empty with a single run"
_DEVIATION = "standard deviation over runs of the mean over tasks; empty with a single run"


def _estimate(description: str, maximum: float = 1.0) -> dict[str, Column]:
    """Return the columns of a value and its interval."""
    return {
        "value": Column("number", description, 0, maximum),
        "low": Column("number", _LOW, 0, maximum, optional=True),
        "high": Column("number", _HIGH, 0, maximum, optional=True),
    }


METRICS: dict[str, Callable[[Matrix], float]] = {
    "iqm": metrics.aggregate_iqm,
    "mean": metrics.aggregate_mean,
    "median": metrics.aggregate_median,
    "optimality_gap": metrics.aggregate_optimality_gap,
}
_MEASURE = "success rate, or environment steps"
_PAIR = ("stage", *_ROW, *_OTHER)

STATISTICS: dict[str, tuple[Columns, tuple[str, ...]]] = {
    "aggregates": (
        _STAGE
        | _ROW
        | {"metric": Column("string", "aggregate over runs and tasks", allowed=tuple(METRICS))}
        | _estimate("aggregate of success rates")
        | _RUNS,
        ("stage", *_ROW, "metric"),
    ),
    "profiles": (
        _STAGE
        | _ROW
        | {"threshold": Column("number", "success rate", 0, 1)}
        | _estimate("fraction of runs whose success rate is above the threshold")
        | _RUNS,
        ("stage", *_ROW, "threshold"),
    ),
    "improvement": (_STAGE | _ROW | _OTHER | _estimate(_IMPROVEMENT) | _RUNS, _PAIR),
    "comparisons": (
        _STAGE
        | _ROW
        | _OTHER
        | {
            "tasks_above": Column("integer", "tasks on which its mean over runs is higher", 0),
            "tasks_below": Column("integer", "tasks on which its mean over runs is lower", 0),
            "difference": Column("number", "IQM over runs and tasks minus the other row's", -1, 1),
            "difference_low": Column("number", _LOW, -1, 1, optional=True),
            "difference_high": Column("number", _HIGH, -1, 1, optional=True),
            "improvement": Column("number", _IMPROVEMENT, 0, 1),
            "improvement_low": Column("number", _LOW, 0, 1, optional=True),
            "improvement_high": Column("number", _HIGH, 0, 1, optional=True),
            "mean": Column("number", "mean success over tasks and runs", 0, 1),
            "deviation": Column("number", _DEVIATION, 0, optional=True),
            "other_mean": Column("number", "mean success of the other row", 0, 1),
            "other_deviation": Column(
                "number", f"{_DEVIATION}, of the other row", 0, optional=True
            ),
        }
        | _RUNS
        | {"other_runs": Column("integer", "runs (seeds) per task of the other row", 1)},
        _PAIR,
    ),
    "task_means": (
        _STAGE
        | {"task": TASK}
        | _ROW
        | {"measure": Column("string", _MEASURE, allowed=("success", "length"))}
        | _estimate("mean over runs", math.inf)
        | {"deviation": Column("number", _SPREAD, 0, optional=True)}
        | _RUNS,
        ("stage", "task", *_ROW, "measure"),
    ),
}
"""The columns of each file, and those that identify a row."""


def read_statistics(study: Study, folder: Path, names: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Read files that `fmq.analysis.statistics.aggregates.write_statistics` made in `folder`.

    Raises:
        UserError: a file is missing or malformed, or of another study, other settings or other
            scores than those in `folder`.
    """
    statistics, scores = folder / "statistics", folder / "scores.csv"
    tables = {name: read_estimates(study, statistics, name) for name in names}
    digest = file_sha256(scores)
    for path in (statistics / f"{name}.csv" for name in names):
        if recorded_notes(study, path, "fmq statistics").get("scores_sha256") != digest:
            raise UserError(f"{path}: not computed from {scores}; run `fmq statistics` again")
    return tables


def read_estimates(study: Study, folder: Path, name: str) -> pd.DataFrame:
    """Read `name`.csv of a folder written by `fmq.analysis.statistics.aggregates.write_statistics`.

    Raises:
        UserError: the file is missing or malformed, or belongs to another study.
    """
    path = folder / f"{name}.csv"
    columns, key = STATISTICS[name]
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


def stacked(parts: Sequence[pd.DataFrame], name: str) -> pd.DataFrame:
    """Concatenate estimates; without any, return an empty frame with the columns of a file."""
    return pd.concat(parts) if parts else pd.DataFrame(columns=list(STATISTICS[name][0]))
