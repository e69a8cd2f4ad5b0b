"""Success of last checkpoints under any sampler, with what stands behind it checked."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from rliable.metrics import aggregate_iqm

from fmq.analysis.csvw import Column, Columns
from fmq.analysis.evaluations import SAMPLER, SEED, TASK, evaluation_files, read_evaluations
from fmq.analysis.identity import identity_problems
from fmq.analysis.matrices import Matrix, complete_runs
from fmq.analysis.problems import Problem, refuse
from fmq.analysis.provenance import present_manifests
from fmq.analysis.statistics import bootstrap
from fmq.errors import UserError
from fmq.runs import make_run
from fmq.settings import Study

IQM = "IQM"
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
    runs: Path,
    manifests: Sequence[Path],
    rows: Sequence[tuple[str, str]],
    target: str,
) -> pd.DataFrame:
    """Success and length of each (run, sampler), task and seed, with the columns `SCORES`.

    Args:
        runs: folder with `TASK/seedN/`.
        target: of Snakemake, that makes what is missing.

    Raises:
        UserError: lists what is missing (unless the study allows that) or of something else.
    """
    files = [
        evaluation_files(runs, make_run(study, task, seed, run), sampler)[0]
        for run, sampler in dict.fromkeys(rows)
        for task in study.tasks
        for seed in study.seeds
    ]
    frames, problems = read_evaluations(files)
    there = [file for file in files if file.path.exists()]
    problems += identity_problems(there, present_manifests(study, manifests))
    shortened = [Problem(kind, item.removeprefix(f"{runs}/")) for kind, item in problems]
    remedy = f"`snakemake {target}` makes them"
    refuse(runs, shortened, remedy, study.allow_missing)
    if not frames:
        raise UserError(f"{runs}: none of the evaluations is there yet; {remedy}")
    return pd.DataFrame(
        {
            "run": file.run.name,
            "sampler": file.sampler,
            "task": file.run.task.name,
            "seed": file.run.seed,
            "success": float(frames[file.path]["success"].mean()),
            "length": float(frames[file.path]["length"].mean()),
        }
        for file in files
        if file.path in frames
    )


def summarise(study: Study, scores: pd.DataFrame) -> pd.DataFrame:
    """Mean per task and IQM over all of each (run, sampler), with intervals; columns `SUMMARY`."""
    parts = []
    for (run, sampler), own in scores.groupby(["run", "sampler"], sort=False):
        matrix = own.pivot(index="seed", columns="task", values="success")
        matrix = matrix.reindex(columns=pd.Index(study.tasks, name="task"))
        columns = [(task, matrix[[task]].dropna(), _mean) for task in study.tasks]
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


def _mean(scores: Matrix) -> Matrix:
    return scores.mean(0)


def _iqm(scores: Matrix) -> Matrix:
    return np.array([aggregate_iqm(scores)])


def percent(row: pd.Series) -> str:
    """``93 [90, 97]``: a value and its interval."""
    interval = "" if pd.isna(row["low"]) else f" [{100 * row['low']:.0f}, {100 * row['high']:.0f}]"
    return f"{100 * row['value']:.0f}{interval}"


def interval_words(study: Study) -> str:
    """How the intervals came about, or that there are none."""
    if len(study.seeds) == 1:
        return "One seed: no intervals."
    return (
        f"{len(study.seeds)} seeds; {100 * study.statistics.confidence:g}% stratified bootstrap "
        f"over seeds. {IQM}: interquartile mean over tasks and seeds."
    )
