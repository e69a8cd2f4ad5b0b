"""Copy the tables and figures of the latest study to fixed paths.

Every study has its own folder, ``results/studies/NAME-IDENTITY/``. Copies of the main results lie
in ``results/tables/``, ``results/figures/`` and ``results/scores.csv``; ``results/shown.json``
records which study they belong to.
"""

import atexit
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from fmq.base.errors import UserError
from fmq.base.files import atomic_path, write_json
from fmq.config.study import Study
from fmq.pipeline.analyses import REPORTED, SHOWN, shown_files
from fmq.pipeline.identity import file_digest
from fmq.pipeline.studies import study_folder, study_sha256


def show(study: Study, results: Path) -> None:
    """Copy the study's files, then record that the copies belong to it.

    Raises:
        UserError: one of the files does not exist.
    """
    folder, names = study_folder(study, results), shown_files(study)
    for name in names:
        if not (folder / name).is_file():
            raise UserError(
                f"{folder / name}: does not exist yet; run `snakemake` with the study's settings"
            )
    _refuse_renamed(study, folder)
    hide_others(study, results)
    for name in names:
        with atomic_path(results / name) as temporary:
            shutil.copyfile(folder / name, temporary)
    digests = {name: file_digest(results / name) for name in names}
    write_json(_note(results), {"study": folder.name, "files": digests})


def is_shown(study: Study, results: Path) -> bool:
    """Return whether the copies are all there, unchanged, and belong to this study."""
    note = _read_note(results)
    if note.get("study") != study_folder(study, results).name:
        return False
    digests = note.get("files", {})
    return all(
        (results / name).is_file() and file_digest(results / name) == digests.get(name)
        for name in shown_files(study)
    )


def _refuse_renamed(study: Study, folder: Path) -> None:
    """Raise `UserError` if the folder of a study was given the name of another one."""
    record = folder / "scores.csv-metadata.json"
    try:
        (notes,) = json.loads(record.read_text(encoding="utf-8"))["notes"]
        found = notes["study"]["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        found = None
    if found != study_sha256(study):
        raise UserError(
            f"{record}: the folder's name and its content belong to different studies; delete "
            f"{folder} and run `snakemake` again"
        )


def later_than_others(study: Study, results: Path) -> list[str]:
    """Return a new temporary file as an input for Snakemake, unless this study is shown.

    Snakemake remakes an existing file only if an input is newer. The temporary file is newer than
    the copies of another study, and is deleted at exit.
    """
    if is_shown(study, results):
        return []
    now = time.time()
    for copy in (results / name for name in shown_files(study)):
        if copy.is_file() and copy.stat().st_mtime >= now:  # nothing is newer than the future
            os.utime(copy, (now - 1, now - 1))
    descriptor, path = tempfile.mkstemp(prefix="fmq-asked-for-")
    os.close(descriptor)
    atexit.register(Path(path).unlink, missing_ok=True)
    return [path]


def hide_others(study: Study, results: Path) -> None:
    """Delete the copies unless they belong to this study; the originals stay in their folder."""
    if _read_note(results).get("study") == study_folder(study, results).name:
        return
    _note(results).unlink(missing_ok=True)
    for name in (*SHOWN, *REPORTED):
        (results / name).unlink(missing_ok=True)


def _note(results: Path) -> Path:
    return results / "shown.json"


def _read_note(results: Path) -> dict[str, Any]:
    """Return which study the copies belong to, and their digests; nothing if that is unknown."""
    try:
        note = json.loads(_note(results).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}
