"""Aggregates with intervals after "Deep Reinforcement Learning at the Edge of the Statistical
Precipice" (arXiv 2108.13264), through the authors' package rliable.

Scores are success rates of the last step, arranged runs x tasks. Intervals are percentile
intervals of the stratified bootstrap, which resamples runs within each task. With a single run
there is nothing to resample: `low` and `high` are then empty.

An unfinished study (`allow_missing`) has gaps. A task's mean is then over the seeds that are there.
What goes over tasks (aggregates, profiles, improvement) takes, row by row, the seeds that have
every task: else easy tasks could count more often than hard ones. With fewer than two of them there
is no such estimate. `runs` says how many seeds are behind each.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from rliable import metrics
from rliable.library import get_interval_estimates

from fmq.analysis.csvw import Columns, write_table
from fmq.analysis.estimates import AGGREGATES, IMPROVEMENT, PROFILES, TASK_MEANS
from fmq.analysis.matrices import (
    Matrix,
    complete_runs,
    runs_by_tasks,
    score_matrix,
    without_gaps,
)
from fmq.analysis.origin import check_scores_origin, scores_note
from fmq.analysis.provenance import collect_provenance
from fmq.analysis.scores import STAGES, comparison_rows, final_scores, load_scores
from fmq.seeding import derive_seed, global_numpy_seed
from fmq.settings import Study

logger = logging.getLogger(__name__)

METRICS: dict[str, Callable[[Matrix], float]] = {
    "iqm": metrics.aggregate_iqm,
    "mean": metrics.aggregate_mean,
    "median": metrics.aggregate_median,
    "optimality_gap": metrics.aggregate_optimality_gap,
}
THRESHOLDS = np.linspace(0.0, 1.0, 101)


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


def _aggregate(scores: Matrix) -> Matrix:
    return np.array([metric(scores) for metric in METRICS.values()])


def _profile(scores: Matrix) -> Matrix:
    """Fraction of runs with a score above each threshold; rliable's own loops over thresholds."""
    return np.mean(scores[:, :, None] > THRESHOLDS, axis=(0, 1))


def _task_mean(scores: Matrix) -> Matrix:
    return np.mean(scores, axis=0)


def probability_of_improvement(ours: Matrix, theirs: Matrix) -> Matrix:
    """P(a run of ours beats one of theirs on the same task), averaged over tasks; ties count half.

    The Mann-Whitney statistic, as in rliable, without a test for every resample.

    Args:
        ours, theirs: (R, T) and (R', T).

    Returns:
        (1,)
    """
    difference = ours[:, None, :] - theirs[None, :, :]
    return np.array([np.mean((np.sign(difference) + 1) / 2)])


def aggregates(study: Study, final: pd.DataFrame) -> pd.DataFrame:
    """IQM, mean, median and optimality gap of success over runs and tasks, per row."""
    return _over_tasks(study, final, _aggregate, AGGREGATES, metric=list(METRICS))


def profiles(study: Study, final: pd.DataFrame) -> pd.DataFrame:
    """Performance profiles: the fraction of runs whose success is above a threshold, per row."""
    return _over_tasks(study, final, _profile, PROFILES, threshold=THRESHOLDS.round(2))


def _over_tasks(
    study: Study,
    final: pd.DataFrame,
    function: Callable[[Matrix], Matrix],
    columns: Columns,
    **names: Sequence[str] | Matrix,
) -> pd.DataFrame:
    """`function` of the complete runs of every row that has enough of them."""
    parts = []
    for method, sampler in comparison_rows(study):
        matrix = complete_runs(study, score_matrix(study, final, method, sampler))
        if matrix is not None:
            estimate = _described(bootstrap(study, function, matrix), matrix)
            parts.append(estimate.assign(method=method, sampler=sampler, **names))
    return _stacked(parts, columns)


def task_means(study: Study, final: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over runs of success and of episode length, per task and row."""
    parts = []
    for method, sampler in comparison_rows(study):
        for measure in ("success", "length"):
            whole = score_matrix(study, final, method, sampler, measure)
            for matrix in without_gaps(whole):
                parts.append(
                    _described(bootstrap(study, _task_mean, matrix), matrix).assign(
                        method=method,
                        sampler=sampler,
                        measure=measure,
                        task=list(matrix.columns),
                        deviation=matrix.std(ddof=1).to_numpy(),
                        tasks=len(study.tasks),
                    )
                )
    return _stacked(parts, TASK_MEANS)


def improvement(study: Study, final: pd.DataFrame, stage: str) -> pd.DataFrame:
    """Probability that FMQ (or else the first method) improves on each other row.

    Offline, rows that are one checkpoint under one sampler are the same numbers: only the first
    of them counts. Where one of the two has fewer runs, `runs` is theirs.
    """
    method = "fmq" if "fmq" in study.methods else study.methods[0]
    sampler = study.samplers_of(method)[0]
    ours = complete_runs(study, score_matrix(study, final, method, sampler))
    rows = {_evaluated(study, method, stage, sampler): (method, sampler)}
    for row in comparison_rows(study):
        rows.setdefault(_evaluated(study, row[0], stage, row[1]), row)
    parts = []
    for other, other_sampler in list(rows.values())[1:]:
        theirs = complete_runs(study, score_matrix(study, final, other, other_sampler))
        if ours is None or theirs is None:
            continue
        estimate = bootstrap(study, probability_of_improvement, ours, theirs)
        parts.append(
            _described(estimate, min(ours, theirs, key=len)).assign(
                method=method, sampler=sampler, other_method=other, other_sampler=other_sampler
            )
        )
    return _stacked(parts, IMPROVEMENT)


def _evaluated(study: Study, method: str, stage: str, sampler: str) -> tuple[str, str]:
    """The run behind a score and the sampler it was evaluated with."""
    return (study.offline_run(method) if stage == "offline" else method), sampler


def _stacked(parts: Sequence[pd.DataFrame], columns: Columns) -> pd.DataFrame:
    """Estimates below each other; none is a table without rows."""
    return pd.concat(parts) if parts else pd.DataFrame(columns=list(columns))


def _described(estimate: Estimate, matrix: pd.DataFrame) -> pd.DataFrame:
    """An estimate as a frame of K rows, with the number of runs and tasks behind it."""
    # Rounded, so that no rate is above 1 by an error in its last digit.
    frame = pd.DataFrame(estimate._asdict()).round(12)
    return frame.assign(runs=matrix.shape[0], tasks=matrix.shape[1])


def write_statistics(
    study: Study, scores_path: Path, folder: Path, manifests: Sequence[Path] = ()
) -> None:
    """Write aggregates.csv, profiles.csv, improvement.csv and task_means.csv into `folder`."""
    scores = load_scores(study, scores_path)
    check_scores_origin(study, scores_path)
    if len(study.seeds) == 1:
        logger.warning("one seed: no intervals, because there are no runs to resample")
    final = {stage: final_scores(study, scores, stage) for stage in STAGES}
    tables = {
        "aggregates": (AGGREGATES, [aggregates(study, rows) for rows in final.values()]),
        "profiles": (PROFILES, [profiles(study, rows) for rows in final.values()]),
        "improvement": (IMPROVEMENT, [improvement(study, final[s], s) for s in STAGES]),
        "task_means": (TASK_MEANS, [task_means(study, rows) for rows in final.values()]),
    }
    provenance = collect_provenance(study, manifests) | scores_note(scores_path)
    for name, (columns, parts) in tables.items():
        staged = [part.assign(stage=stage) for stage, part in zip(STAGES, parts, strict=True)]
        frame = pd.concat([part for part in staged if len(part)] or staged[:1])
        write_table(folder / f"{name}.csv", frame, columns, provenance)
