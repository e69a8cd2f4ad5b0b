"""Read what `fmq theory` and `fmq diagnose` measured, once it is known to be of the study."""

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from fmq.analysis.inputs.csvw import Columns, read_table
from fmq.base.errors import UserError
from fmq.config.datasets import training_file
from fmq.config.study import Study
from fmq.pipeline.identity import MISSING, file_digest
from fmq.pipeline.measured import RECORD, run_digests
from fmq.pipeline.paths import checkpoint_file
from fmq.pipeline.runs import Run


class Measured(NamedTuple):
    """What a command measures for each task and seed.

    Attributes:
        command: the command of fmq.
        folder: its folder for a study, a task and a seed in a results folder.
        runs: the runs that it measures.
        tables: the columns of each table, and those that identify a row.
    """

    command: str
    folder: Callable[[Study, str, int, Path], Path]
    runs: Callable[[Study, str, int], Sequence[Run]]
    tables: Mapping[str, tuple[Columns, tuple[str, ...]]]


def read_measurements(
    measured: Measured, study: Study, results: Path, provenance: Mapping[str, Any]
) -> dict[str, pd.DataFrame]:
    """Read the tables of all tasks and seeds, led by the columns ``task`` and ``seed``.

    A study that may be unfinished (`allow_missing`) skips what does not exist yet.

    Args:
        provenance: as `fmq.analysis.inputs.provenance.collect_provenance` returns it.

    Raises:
        UserError: a file is missing, is not what the command writes, or was measured on runs with
            settings or data other than the study's.
    """
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in measured.tables}
    for task, seed in product(study.tasks, study.seeds):
        folder = measured.folder(study, task, seed, results)
        if study.allow_missing and not (folder / RECORD).exists():
            continue
        again = f"run `fmq {measured.command} {task} --seed {seed}`"
        runs = measured.runs(study, task, seed)
        _check_record(folder / RECORD, runs, results, provenance, again)
        for name, (columns, key) in measured.tables.items():
            frame = read_table(folder / f"{name}.csv", columns, key)
            frame.insert(0, "task", task)
            frame.insert(1, "seed", seed)
            parts[name].append(frame)
    if not any(parts.values()):
        raise UserError(
            f"{results / 'runs'}: no measurements yet; run `snakemake {measured.command}`"
        )
    return {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}


def _check_record(
    path: Path, runs: Sequence[Run], results: Path, provenance: Mapping[str, Any], again: str
) -> None:
    """Refuse measurements of other networks than those that the runs have now."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        found, data = dict(record["runs"]), record["dataset"]
        learned = {name: dict(data[name]) for name in found}
        checkpoints = dict(record["checkpoint"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{path}: no record of measurements; {again}") from None
    if found != run_digests(runs):
        raise UserError(f"{path}: measured on networks with other settings; {again}")
    for run in runs:
        digest = file_digest(checkpoint_file(run, results))
        if digest not in (MISSING, checkpoints.get(run.name)):  # a copy may lack checkpoints
            raise UserError(f"{path}: measured on another checkpoint of {run}; {again}")
    present = {one["name"]: one["sha256"] for one in provenance["datasets"]}
    for run in runs:
        file = training_file(run.task.dataset)
        digest = present.get(run.task.dataset, {}).get(file)
        if run.trained and digest not in (None, learned[run.name].get(file)):
            raise UserError(f"{path}: measured on networks that learned from other data; {again}")
