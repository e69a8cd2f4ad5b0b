"""Whether files of episodes are of this study: of its settings, and of its data's very bytes.

Of an imported run, the evaluation has to be of the very file that the run was last made of.

A run folder has both on record in `settings.json` and `provenance.json`; an evaluation of a last
checkpoint has them in a JSON file of its own name.
"""

import json
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fmq.analysis.evaluations import EvaluationFile
from fmq.analysis.problems import OTHER_DATA, OTHER_SETTINGS, UNKNOWN, Problem
from fmq.data.manifest import read_manifest
from fmq.datasets import training_file
from fmq.errors import UserError
from fmq.runs import Run, canonical, evaluation_settings, settings_hash


class Record(NamedTuple):
    """Where to read what made a run, or an evaluation of its last checkpoint.

    Attributes:
        settings: JSON file with ``hash`` and ``settings``.
        data: JSON file with ``dataset``, the sha256 of each of its files.
        run: the run.
        sampler: of the evaluation, or None.
    """

    settings: Path
    data: Path
    run: Run
    sampler: str | None = None

    def expected(self) -> dict[str, Any]:
        """The settings that this study would make it with."""
        if self.sampler is None:
            return self.run.settings()
        return evaluation_settings(self.run, self.sampler)

    def origin(self) -> tuple[str, str]:
        """What has to be the same in all records, and the file whose bytes tell that it is.

        The data set and its training file or, of an imported run, the run and the file that it was
        made of.
        """
        run = self.run
        if run.trained:
            return run.task.dataset, training_file(run.task.dataset)
        return str(run), run.study.imported[run.kind].file(run.task.name, run.seed).name


def records(file: EvaluationFile) -> Iterator[Record]:
    """The records behind a file of episodes: its own, its run's, and those of the run's parents."""
    folder = file.path.parent
    if folder.name == file.run.name:
        folder = folder.parent
    if file.path.name != "evaluations.csv":
        own = file.path.with_suffix(".json")
        yield Record(own, own, file.run, file.sampler)
    run: Run | None = file.run
    while run is not None:
        yield Record(
            folder / run.name / "settings.json", folder / run.name / "provenance.json", run
        )
        run = run.parent


def identity_problems(
    files: Iterable[EvaluationFile], manifests: Sequence[Path]
) -> Iterator[Problem]:
    """Whatever in `files` was made with other settings or learned from other bytes.

    Args:
        files: evaluations that are there.
        manifests: manifest.json of the study's data sets. Without any, all have to have learned
            from the bytes that the first did.

    Raises:
        UserError: a manifest is broken.
    """
    versions, unknown = dict(map(_manifest_version, manifests)), {}
    for record in {record.settings: record for file in files for record in records(file)}.values():
        origin, file = record.origin()
        try:
            yield from _settings_problems(record)
            found = _digest(record.data, file, _read(record.data, "dataset", dict))
        except UserError as error:
            yield Problem(UNKNOWN, str(error))
            continue
        if manifests and record.run.trained and origin not in versions:
            told = f"{origin}: runs learned from it, and no manifest tells its version"
            unknown[origin] = Problem(UNKNOWN, told)
            continue
        wanted = versions.setdefault(origin, found)
        if found != wanted:
            told = f"{file} of sha256 {found[:12]}, expected {wanted[:12]}"
            yield Problem(OTHER_DATA, f"{record.data}: learned from {told}")
    yield from unknown.values()


def _settings_problems(record: Record) -> Iterator[Problem]:
    """Whether the recorded hash is that of the study's settings, and if not, what differs first."""
    expected = record.expected()
    found, wanted = _read(record.settings, "hash", str), settings_hash(expected)
    if found != wanted:
        settings = _read(record.settings, "settings", dict)
        told = _first_difference(settings, json.loads(canonical(expected)))
        told = told or f"hash {found}, expected {wanted}"
        yield Problem(OTHER_SETTINGS, f"{record.settings}: {textwrap.shorten(told, 160)}")


def _first_difference(found: Any, wanted: Any, key: str = "") -> str:
    """For example ``fmq.eta 0.5, expected 1.0``; nothing if all that both have is the same."""
    if found == wanted:
        return ""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for name in sorted({*found, *wanted}):
            if found.get(name) != wanted.get(name):
                below = f"{key}.{name}".strip(".")
                return _first_difference(found.get(name), wanted.get(name), below)
        return ""
    return f"{key} {json.dumps(found)}, expected {json.dumps(wanted)}"


def _manifest_version(path: Path) -> tuple[str, str]:
    """Name of the data set that a manifest describes, and the sha256 of its training file."""
    manifest = read_manifest(path.parent)
    digests = {name: entry["sha256"] for name, entry in manifest["files"].items()}
    name = str(manifest["name"])
    # What is kept for validation may change.
    return name, _digest(path, training_file(name), digests)


def _digest(path: Path, file: str, digests: dict[str, Any]) -> str:
    """The sha256 of one of the files that a record tells of."""
    if file not in digests:
        raise UserError(f"{path}: says nothing of {file}")
    return str(digests[file])


def _read(path: Path, key: str, kind: type) -> Any:
    """The value of `key` in a JSON file."""
    try:
        value = json.loads(path.read_text())[key]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, TypeError):
        value = None
    if not isinstance(value, kind):
        raise UserError(f"{path}: not JSON with a {key!r}")
    return value
