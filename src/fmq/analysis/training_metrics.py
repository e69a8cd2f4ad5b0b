"""What fine-tuning runs note down on their way: columns of `metrics.csv`, checked like scores."""

import json
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from fmq.analysis.csvw import Column, Columns, read_table
from fmq.analysis.evaluations import EvaluationFile, evaluation_files
from fmq.analysis.identity import identity_problems
from fmq.analysis.matrices import Matrix
from fmq.analysis.problems import MISSING, UNEQUAL, UNREADABLE, Problem, refuse
from fmq.analysis.provenance import present_manifests
from fmq.errors import UserError
from fmq.runs import make_run
from fmq.settings import Study

STEP = Column("integer", "environment steps", minimum=1)
RATE = {"environment_rate": Column("number", "environment steps a second", minimum=1e-9)}
DRIFT = {"drift": Column("number", "mean || u_on - u_off ||^2", minimum=0)}
RADIUS = {"eta_effective": Column("number", "mean radius of the trust region", minimum=0)}

UNKNOWN = "unknown"


def columns_of(study: Study, method: str) -> Columns:
    """What the runs of `method` note down, of what is read here."""
    found = study.method(method)
    return {
        **DRIFT,
        **(RADIUS if found.actor_loss == "fmq" else {}),
        **(RATE if found.interacts else {}),
    }


def read_metrics(
    study: Study, runs: Path, methods: Sequence[str], manifests: Sequence[Path] = ()
) -> pd.DataFrame:
    """The rows of the fine-tuning runs of `methods`.

    Args:
        runs: folder with `TASK/seedN/finetune-METHOD/metrics.csv`, each with its records.
        manifests: manifest.json of the data sets that the runs have to have learned from.

    Returns:
        task, method, seed, step and the columns `DRIFT`, `RADIUS` and `RATE`, which are NaN where
        a method has no such thing. A run with fewer updates than `log_every` has no rows.

    Raises:
        UserError: lists the files that are missing (unless the study allows that), damaged, beyond
            the budget, of other settings or of other data.
    """
    frames, problems, there = [], [], []
    for method, file in _run_files(study, runs, methods):
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
            told = f"a step {frame['step'].max()}, expected up to {study.online.steps}"
            problems.append(Problem(UNEQUAL, f"{path}: {told}"))
        frames.append(frame.assign(task=file.run.task.name, method=method, seed=file.run.seed))
    problems += identity_problems(there, present_manifests(study, manifests))
    shortened = [Problem(kind, item.removeprefix(f"{runs}/")) for kind, item in problems]
    refuse(runs, shortened, "make these again", study.allow_missing)
    columns = ["task", "method", "seed", "step", *DRIFT, *RADIUS, *RATE]
    measured = [frame for frame in frames if len(frame)]
    whole = pd.concat(measured, ignore_index=True) if measured else pd.DataFrame()
    types = {"seed": "int64", "step": "int64"} | dict.fromkeys(columns[4:], "float64")
    return whole.reindex(columns=columns).astype(types)


def _run_files(
    study: Study, runs: Path, methods: Sequence[str]
) -> Iterator[tuple[str, EvaluationFile]]:
    """Method and evaluations in training, which lie beside the metrics, of every run."""
    for task, method, seed in product(study.tasks, methods, study.seeds):
        run = make_run(study, task, seed, f"finetune-{method}")
        yield method, evaluation_files(runs, run, run.sampler)[1]


def _read(path: Path, columns: Columns) -> pd.DataFrame:
    """The rows of one run, in the order of their steps."""
    if path.read_bytes() == b"\n":
        return pd.DataFrame(columns=["step", *columns])
    return read_table(path, {"step": STEP, **columns}, ["step"], others=True).sort_values("step")


def training_seconds(study: Study, metrics: pd.DataFrame, steps: Sequence[int]) -> Matrix:
    """Seconds that one run had trained after each of `steps`, evaluations left out.

    From the rate of environment steps between two rows, which counts all time but evaluations;
    after the last row as before it.

    Args:
        metrics: rows of one run of `read_metrics`.

    Returns:
        (E,); NaN without rows.
    """
    if metrics.empty:
        return np.full(len(steps), np.nan)
    ends = np.append(metrics["step"].to_numpy(), study.online.steps)
    seconds_per_step = 1 / metrics["environment_rate"].to_numpy()
    seconds = np.diff(ends, prepend=0) * np.append(seconds_per_step, seconds_per_step[-1])
    return np.interp(steps, np.append(0, ends), np.append(0.0, seconds.cumsum()))


def machines(study: Study, runs: Path, methods: Sequence[str]) -> set[tuple[str, str]]:
    """Host and device of every run that is there; `UNKNOWN` where its record does not tell."""
    found = set()
    for _, file in _run_files(study, runs, methods):
        path = file.path.with_name("provenance.json")
        if path.exists():
            record = json.loads(path.read_text())
            found.add((record.get("host", UNKNOWN), record.get("device", UNKNOWN)))
    return found
