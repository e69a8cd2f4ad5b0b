"""Collect the success of last checkpoints under any sampler, and check its provenance."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fmq.analysis.inputs.csvw import Column, Columns
from fmq.analysis.inputs.evaluations import SAMPLER, SEED, TASK, evaluation_files
from fmq.analysis.inputs.records import read_evaluations
from fmq.analysis.inputs.words import confidence, paragraph
from fmq.analysis.statistics.aggregates import run_means
from fmq.analysis.statistics.bootstrap import Matrix, bootstrap, complete_runs
from fmq.analysis.statistics.estimates import METRICS
from fmq.base.errors import UserError
from fmq.config.study import Study
from fmq.config.tasks import IQM
from fmq.pipeline.runs import make_run

RUN = Column("string", "run whose last checkpoint was evaluated")
SCORES: Columns = {
    "run": RUN,
    "sampler": SAMPLER,
    "task": TASK,
    "seed": SEED,
    "success": Column("number", "fraction of successful episodes", 0, 1),
    "length": Column("number", "mean environment steps of an episode", 1),
}
SUMMARY: Columns = {
    "run": RUN,
    "sampler": SAMPLER,
    "task": Column("string", f"name of the task, or {IQM} for the interquartile mean over tasks"),
    "value": Column("number", "success: mean over seeds, or IQM over tasks and seeds", 0, 1),
    "low": Column("number", "lower end of the bootstrap interval over seeds", 0, 1, optional=True),
    "high": Column("number", "upper end of the bootstrap interval over seeds", 0, 1, optional=True),
    "runs": Column("integer", "seeds behind the value", minimum=1),
}


def collect(
    study: Study,
    results: Path,
    manifests: Sequence[Path],
    rows: Sequence[tuple[str, str]],
    target: str,
) -> pd.DataFrame:
    """Return success and length of each (run, sampler), task and seed, with the columns `SCORES`.

    Args:
        results: folder with `runs/`.
        rows: pairs of a run and a sampler.
        target: Snakemake target that makes the missing evaluations.

    Raises:
        UserError: lists the evaluations that are missing (unless the study allows that) or do not
            belong to the study.
    """
    files = [
        (seed, evaluation_files(results, make_run(study, task, seed, run), sampler)[0])
        for run, sampler in dict.fromkeys(rows)
        for task in study.tasks
        for seed in study.seeds
    ]
    remedy = f"`snakemake {target}` makes them"
    distinct = {file.path: file for _, file in files}  # seeds may share their offline runs
    frames = read_evaluations(study, results, [*distinct.values()], manifests, remedy)
    if not frames:
        raise UserError(f"{results}: no evaluations yet; {remedy}")
    return pd.DataFrame(
        {
            "run": file.run.name,
            "sampler": file.sampler,
            "task": file.run.task.name,
            "seed": seed,
            "success": float(frames[file.path]["success"].mean()),
            "length": float(frames[file.path]["length"].mean()),
        }
        for seed, file in files
        if file.path in frames
    )


def summarise(study: Study, scores: pd.DataFrame) -> pd.DataFrame:
    """Return the mean per task and the IQM over all tasks of each (run, sampler).

    Returns:
        frame with the columns `SUMMARY`, intervals included.
    """
    parts = []
    for (run, sampler), own in scores.groupby(["run", "sampler"], sort=False):
        matrix = own.pivot(index="seed", columns="task", values="success")
        matrix = matrix.reindex(columns=pd.Index(study.tasks, name="task"))
        columns = [(task, matrix[[task]].dropna(), run_means) for task in study.tasks]
        whole = complete_runs(study, matrix)
        if whole is not None:
            columns.insert(0, (IQM, whole, _iqm))
        for task, scored, function in columns:
            if len(scored):
                estimate = bootstrap(study, function, scored)
                numbers = {name: float(value[0]) for name, value in estimate._asdict().items()}
                place = {"run": run, "sampler": sampler, "task": task}
                parts.append(place | numbers | {"runs": len(scored)})
    return pd.DataFrame(parts)[list(SUMMARY)].round(12)


def _iqm(scores: Matrix) -> Matrix:
    return np.array([METRICS["iqm"](scores)])


def percent(study: Study, row: pd.Series) -> str:
    """Format a value and its interval in percent, as ``93 [90, 97]``; ``(n=2)`` if seeds lack."""
    interval = "" if pd.isna(row["low"]) else f" [{100 * row['low']:.0f}, {100 * row['high']:.0f}]"
    lacking = f" (n={row['runs']:.0f})" if row["runs"] < len(study.seeds) else ""
    return f"{100 * row['value']:.0f}{interval}{lacking}"


def interval_words(study: Study, summary: pd.DataFrame) -> str:
    """Say how the intervals of a summary were computed, and over how many seeds if some lack."""
    seeds = len(study.seeds)
    if seeds == 1:
        return "One seed: no intervals."
    return paragraph(
        f"{seeds} seeds; {confidence(study)} stratified bootstrap over seeds. {IQM}: interquartile "
        "mean over tasks and seeds.",
        f"Unfinished: n is the number of seeds of an entry with fewer than {seeds}; of the {IQM}, "
        "those that have every task."
        if (summary["runs"] < seeds).any()
        else "",
    )
