"""Compute aggregates with intervals after "Deep Reinforcement Learning at the Edge of the
Statistical Precipice" (arXiv 2108.13264), through the authors' package rliable.

Scores are success rates at the last step, arranged runs x tasks. Intervals are percentile
intervals of the stratified bootstrap, which resamples runs within each task. With a single run
there is nothing to resample, and `low` and `high` are empty.

An unfinished study (`allow_missing`) has gaps. The mean of a task then uses the seeds that have
finished it. Estimates over tasks (aggregates, profiles, improvement) use, for each row, only the
seeds that have every task; otherwise easy tasks could count more often than hard ones. With fewer
than two such seeds the estimate is left out. The column `runs` holds the number of seeds behind
each estimate.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fmq.analysis.inputs.csvw import write_table
from fmq.analysis.inputs.provenance import collect_provenance, recorded_notes
from fmq.analysis.inputs.scores import STAGES, comparison_rows, final_scores, load_scores
from fmq.analysis.statistics.bootstrap import (
    Matrix,
    bootstrap,
    complete_runs,
    described,
    score_matrix,
    without_gaps,
)
from fmq.analysis.statistics.comparisons import comparisons, pairs, probability_of_improvement
from fmq.analysis.statistics.estimates import METRICS, STATISTICS, stacked
from fmq.base.files import file_sha256
from fmq.config.study import Study

logger = logging.getLogger(__name__)

THRESHOLDS = np.linspace(0.0, 1.0, 101)


def _aggregate(scores: Matrix) -> Matrix:
    return np.array([metric(scores) for metric in METRICS.values()])


def _profile(scores: Matrix) -> Matrix:
    """Return the fraction of runs with a score above each threshold.

    Vectorized, because rliable's version loops over the thresholds.
    """
    return np.mean(scores[:, :, None] > THRESHOLDS, axis=(0, 1))


def aggregates(study: Study, final: pd.DataFrame, stage: str) -> pd.DataFrame:
    """Return IQM, mean, median and optimality gap of success over runs and tasks, per row."""
    return _over_tasks(study, final, stage, "aggregates", _aggregate, metric=list(METRICS))


def profiles(study: Study, final: pd.DataFrame, stage: str) -> pd.DataFrame:
    """Return the performance profile of each row: the fraction of runs above each threshold."""
    return _over_tasks(study, final, stage, "profiles", _profile, threshold=THRESHOLDS.round(2))


def _over_tasks(
    study: Study,
    final: pd.DataFrame,
    stage: str,
    name: str,
    function: Callable[[Matrix], Matrix],
    **columns: Sequence[str] | Matrix,
) -> pd.DataFrame:
    """Estimate `function` over the complete runs of every row that has enough of them."""
    parts = []
    for method, sampler in comparison_rows(study, stage):
        matrix = complete_runs(study, score_matrix(study, final, method, sampler))
        if matrix is not None:
            estimate = described(bootstrap(study, function, matrix), matrix)
            parts.append(estimate.assign(method=method, sampler=sampler, **columns))
    return stacked(parts, name)


def task_means(study: Study, final: pd.DataFrame, stage: str) -> pd.DataFrame:
    """Return mean and standard deviation over runs of success and episode length.

    The frame has a row per task, row of the comparison and measure.
    """
    parts = []
    for method, sampler in comparison_rows(study, stage):
        for measure in ("success", "length"):
            matrix = score_matrix(study, final, method, sampler, measure)
            row = {"method": method, "sampler": sampler, "measure": measure}
            parts += [part.assign(**row) for part in task_estimates(study, matrix)]
    means = stacked(parts, "task_means").assign(tasks=len(study.tasks))
    return means.round(dict.fromkeys(("value", "low", "high"), 12))


def run_means(scores: Matrix) -> Matrix:
    """Average scores, (R, T), over runs, giving (T,)."""
    return np.mean(scores, axis=0)


def task_estimates(study: Study, matrix: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Estimate the mean over runs of each task that has one, in a frame per part without gaps.

    The columns are task, value, low, high, deviation and runs.
    """
    for part in without_gaps(matrix):
        estimate = pd.DataFrame(bootstrap(study, run_means, part)._asdict())
        deviation = part.std(ddof=1).to_numpy()
        yield estimate.assign(task=list(part.columns), deviation=deviation, runs=len(part))


def improvement(study: Study, final: pd.DataFrame, stage: str) -> pd.DataFrame:
    """Return the probability that FMQ (or else the first method) improves on each other row.

    Offline, methods that share a checkpoint and a sampler have identical numbers, so only the
    first of them is compared. Where one of the two rows has fewer runs, `runs` is its number.
    """
    parts = []
    for pair in pairs(study, final, stage):
        estimate = bootstrap(study, probability_of_improvement, pair.ours, pair.theirs)
        behind = min(pair.ours, pair.theirs, key=len)
        parts.append(described(estimate, behind).assign(**pair.names()))
    return stacked(parts, "improvement")


def write_statistics(study: Study, folder: Path, manifests: Sequence[Path] = ()) -> None:
    """Write statistics of `folder`/scores.csv as .csv into `folder`/statistics.

    Raises:
        UserError: the scores are missing, or of another study or other settings.
    """
    path = folder / "scores.csv"
    scores = load_scores(study, path)
    recorded_notes(study, path, "fmq scores")
    if len(study.seeds) == 1:
        logger.warning("one seed: no intervals, because there are no runs to resample")
    provenance = collect_provenance(study, manifests) | {"scores_sha256": file_sha256(path)}
    for function in (aggregates, profiles, improvement, comparisons, task_means):
        parts = [
            function(study, final_scores(study, scores, stage), stage).assign(stage=stage)
            for stage in STAGES
        ]
        frame = pd.concat([part for part in parts if len(part)] or parts[:1])
        columns, _ = STATISTICS[function.__name__]
        write_table(folder / "statistics" / f"{function.__name__}.csv", frame, columns, provenance)
