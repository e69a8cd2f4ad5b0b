"""Read the metrics that fine-tuning runs log in `metrics.csv`, and check them like scores."""

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import pandas as pd

from fmq.analysis.inputs.csvw import Column, Columns, read_table
from fmq.analysis.inputs.evaluations import EvaluationFile, evaluation_files
from fmq.analysis.inputs.problems import MISSING, UNEQUAL, UNREADABLE, Problem, refuse
from fmq.analysis.inputs.records import identity_problems
from fmq.base.errors import UserError
from fmq.config.study import Study
from fmq.pipeline.runs import make_run

STEP = Column("integer", "environment steps", minimum=1)
METRICS: Columns = {
    "drift": Column("number", "mean || u_on - u_off ||^2", minimum=0),
    "drift_mean": Column("number", "the drift over the H*A numbers of a chunk", minimum=0),
    "eta_effective": Column("number", "mean radius of the trust region", minimum=0),
}


def columns_of(study: Study, method: str) -> Columns:
    """Return the columns that the study reads of the runs of `method`."""
    found = study.method(method)
    read = {
        "drift_mean": study.statistics.drift == "mean",
        "eta_effective": found.actor_loss == "fmq",
    }
    return {name: column for name, column in METRICS.items() if read.get(name, True)}


def read_metrics(
    study: Study, results: Path, methods: Sequence[str], manifests: Sequence[Path] = ()
) -> pd.DataFrame:
    """Return the logged metrics of the fine-tuning runs of `methods`.

    Args:
        results: folder with the runs, whose `metrics.csv` are read.
        manifests: manifest.json of the data sets that the runs must have learned from.

    Returns:
        frame with task, method, seed, step and the columns `METRICS`, which are NaN for
        methods that do not log them. A run with fewer updates than `log_every` has no
        rows.

    Raises:
        UserError: lists the files that are missing (unless the study allows that), damaged, beyond
            the budget, or from other settings or data.
    """
    frames, problems, there = [], [], []
    for method, file in _run_files(study, results, methods):
        path = file.path.with_name("metrics.csv")
        if not path.exists():
            problems.append(Problem(MISSING, str(path)))
            continue
        there.append(file)
        try:
            frame = _read(path, columns_of(study, method))
        except UserError as error:
            problems.append(Problem(UNREADABLE, str(error)))
            continue
        if len(frame) and frame["step"].max() > study.online.steps:
            told = f"has a step {frame['step'].max()}, expected at most {study.online.steps}"
            problems.append(Problem(UNEQUAL, f"{path}: {told}"))
        frames.append(frame.assign(task=file.run.task.name, method=method, seed=file.run.seed))
    problems += identity_problems(study, there, manifests)
    refuse(results, problems, "make these again", study.allow_missing)
    columns = ["task", "method", "seed", "step", *METRICS]
    measured = [frame for frame in frames if len(frame)]
    whole = pd.concat(measured, ignore_index=True) if measured else pd.DataFrame()
    types = {"seed": "int64", "step": "int64"} | dict.fromkeys(columns[4:], "float64")
    return whole.reindex(columns=columns).astype(types)


def _run_files(
    study: Study, results: Path, methods: Sequence[str]
) -> Iterator[tuple[str, EvaluationFile]]:
    """Yield the method and the training evaluations of every run, which lie beside its metrics."""
    for task, method, seed in product(study.tasks, methods, study.seeds):
        run = make_run(study, task, seed, f"finetune-{method}")
        yield method, evaluation_files(results, run, run.sampler)[1]


def _read(path: Path, columns: Columns) -> pd.DataFrame:
    """Read the rows of one run, sorted by step."""
    if path.read_bytes() == b"\n":
        return pd.DataFrame(columns=["step", *columns])
    return read_table(path, {"step": STEP, **columns}, ["step"], others=True).sort_values("step")
