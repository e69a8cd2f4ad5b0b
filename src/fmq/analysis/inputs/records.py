"""Read evaluations, and check that they belong to the study: same settings, byte-identical data.

The evaluation of an imported run must come from the same file that the run was last imported from.

A run folder records settings and data in `settings.json` and `provenance.json`; the evaluation of a
last checkpoint records both in a JSON file of the same name.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from fmq.analysis.inputs.csvw import RepeatedRow
from fmq.analysis.inputs.evaluations import EvaluationFile, content_problems, read_evaluation
from fmq.analysis.inputs.problems import (
    MISSING,
    OTHER_DATA,
    OTHER_SETTINGS,
    REPEATED,
    UNKNOWN,
    UNREADABLE,
    Problem,
    refuse,
)
from fmq.analysis.inputs.provenance import present_manifests
from fmq.base.errors import UserError
from fmq.config.datasets import training_file
from fmq.config.study import Study
from fmq.data.manifest import read_manifest
from fmq.pipeline.evaluations import evaluation_settings
from fmq.pipeline.identity import file_digest, settings_hash
from fmq.pipeline.runs import EVALUATIONS, Run, lineage


class Record(NamedTuple):
    """The files that record the origin of a run, or of an evaluation of its last checkpoint.

    Attributes:
        settings: JSON file with ``hash`` and ``settings``.
        data: JSON file with ``dataset``, the sha256 of each file of the data set.
        run: run that is recorded or was evaluated.
        sampler: sampler of the evaluation; None for the record of the run itself.
    """

    settings: Path
    data: Path
    run: Run
    sampler: str | None = None

    def expected(self) -> str:
        """Return the hash that this study would record."""
        if self.sampler is None:
            return self.run.digest
        return settings_hash(evaluation_settings(self.run, self.sampler))

    def origin(self) -> str:
        """Return what all records must agree on: a data set, or a run that was imported."""
        return self.run.task.dataset if self.run.trained else str(self.run)

    def digest(self) -> str:
        """Return the SHA-256 of the training file or, of an imported run, of its file.

        Raises:
            UserError: the record has none.
        """
        digests = _read(self.data, "dataset", dict)
        if self.run.trained:
            return _digest(self.data, training_file(self.run.task.dataset), digests)
        if len(digests) != 1:  # whatever that one file was called
            raise UserError(f"{self.data}: has no checksum of one file")
        return str(*digests.values())


def records(file: EvaluationFile) -> Iterator[Record]:
    """Yield the records behind an evaluation file: its own, its run's, and the run's parents'."""
    seeds = file.path.parents[2]
    if file.path.name != EVALUATIONS:
        own = file.path.with_suffix(".json")
        yield Record(own, own, file.run, file.sampler)
    for run in lineage(file.run):
        folder = seeds / f"seed{run.seed}" / run.folder
        # What a run started from may be gone: its identity is in that of the run.
        if run is file.run or folder.exists():
            yield Record(folder / "settings.json", folder / "provenance.json", run)


def read_evaluations(
    study: Study,
    results: Path,
    files: Sequence[EvaluationFile],
    manifests: Sequence[Path],
    remedy: str,
) -> dict[Path, pd.DataFrame]:
    """Read those of `files` that exist, by path, with the columns `evaluations.EVALUATION`.

    Raises:
        UserError: lists the files that are missing (unless the study allows that), incomplete,
            from another task, seed, run or sampler, or from other settings or data.
    """
    frames: dict[Path, pd.DataFrame] = {}
    problems, there = [], []
    for file in files:
        if not file.path.exists():
            problems.append(Problem(MISSING, str(file.path)))
            continue
        there.append(file)
        try:
            frames[file.path] = read_evaluation(file.path)
        except UserError as error:
            kind = REPEATED if isinstance(error, RepeatedRow) else UNREADABLE
            problems.append(Problem(kind, str(error)))
        else:
            problems += content_problems(file, frames[file.path])
    problems += identity_problems(study, there, manifests)
    refuse(results, problems, remedy, study.allow_missing)
    return frames


def identity_problems(
    study: Study, files: Iterable[EvaluationFile], manifests: Sequence[Path]
) -> Iterator[Problem]:
    """Yield a problem for everything behind `files` made with other settings or other data.

    Args:
        files: evaluations that exist.
        manifests: manifest.json of the study's data sets. Without any, all runs must have learned
            from the same bytes as the first.

    Raises:
        UserError: a manifest is malformed.
    """
    manifests = present_manifests(study, manifests)
    versions = {name: sha256 for path in manifests for name, sha256 in _manifest_version(path)}
    unknown = {}
    for record in {record.settings: record for file in files for record in records(file)}.values():
        origin = record.origin()
        try:
            # A folder may be misnamed.
            if _read(record.settings, "hash", str) != record.expected():
                told = "the recorded settings differ from those of its folder or name"
                yield Problem(OTHER_SETTINGS, f"{record.settings}: {told}")
            if record.sampler is not None:
                yield from _episode_problems(record)
            found = record.digest()
        except UserError as error:
            yield Problem(UNKNOWN, str(error))
            continue
        if manifests and record.run.trained and origin not in versions:
            told = f"{origin}: runs learned from it, but no manifest records its version"
            unknown[origin] = Problem(UNKNOWN, told)
            continue
        wanted = versions.setdefault(origin, found)
        if found != wanted:
            name = training_file(origin) if record.run.trained else "a file"
            told = f"{name} of sha256 {found[:12]}, expected {wanted[:12]}"
            yield Problem(OTHER_DATA, f"{record.data}: learned from {told}")
    yield from unknown.values()


def _episode_problems(record: Record) -> Iterator[Problem]:
    """Yield a problem if the episodes are not those that the record was written for."""
    episodes = record.settings.with_suffix(".csv")
    known = json.loads(record.settings.read_text(encoding="utf-8")).get("episodes")
    if known is not None and file_digest(episodes) != known:
        yield Problem(OTHER_DATA, f"{episodes}: changed since its record was written")


def _manifest_version(path: Path) -> Iterator[tuple[str, str]]:
    """Yield a manifest's data set name and the sha256 of its training file, if it has data."""
    manifest = read_manifest(path.parent)
    if manifest.get("settings") == {"source": "none"}:
        return
    digests = {name: entry["sha256"] for name, entry in manifest["files"].items()}
    name = str(manifest["name"])
    # The validation file does not matter: nothing is trained on it.
    yield name, _digest(path, training_file(name), digests)


def _digest(path: Path, file: str, digests: dict[str, Any]) -> str:
    """Return the recorded sha256 of a file."""
    if file not in digests:
        raise UserError(f"{path}: has no checksum of {file}")
    return str(digests[file])


def _read(path: Path, key: str, kind: type) -> Any:
    """Read the value of `key` in a JSON file, which must be of type `kind`."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))[key]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, TypeError):
        value = None
    if not isinstance(value, kind):
        raise UserError(f"{path}: not a JSON file with a valid {key!r}")
    return value
