"""Check that intermediate tables belong to this study and to each other.

The provenance of a table is recorded beside it, in NAME.csv-metadata.json (`inputs.csvw`).
Numbers from other settings, or statistics of scores that have since been recomputed, could not be
recognized by their values.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fmq.base.errors import UserError
from fmq.base.files import file_sha256
from fmq.config.study import Study
from fmq.pipeline.studies import study_sha256


def scores_note(scores: Path) -> dict[str, str]:
    """Return the note that statistics record about their scores, in addition to provenance."""
    return {"scores_sha256": file_sha256(scores)}


def check_scores_origin(study: Study, scores: Path) -> None:
    """Refuse scores that were made with other settings.

    Raises:
        UserError: the settings differ, or the metadata beside the scores do not record them.
    """
    _check_settings(study, scores, _notes(scores, "fmq scores"), "fmq scores")


def check_statistics_origin(study: Study, statistics: Iterable[Path], scores: Path) -> None:
    """Refuse statistics that were made with other settings or from other scores.

    Raises:
        UserError: settings or scores differ, or the metadata beside a table do not record them.
    """
    digest = file_sha256(scores)
    for path in statistics:
        notes = _notes(path, "fmq statistics")
        _check_settings(study, path, notes, "fmq statistics")
        if notes.get("scores_sha256") != digest:
            raise UserError(f"{path}: not computed from {scores}; run `fmq statistics` again")


def _check_settings(study: Study, path: Path, notes: dict[str, Any], command: str) -> None:
    found = notes["study"]["sha256"]
    wanted = study_sha256(study)
    if found != wanted:
        raise UserError(
            f"{path}: made with other settings ({found[:12]}, not {wanted[:12]}); run `{command}` "
            "again"
        )


def _notes(path: Path, command: str) -> dict[str, Any]:
    """Read the provenance in the metadata beside a table."""
    metadata = path.with_name(f"{path.name}-metadata.json")
    try:
        (notes,) = json.loads(metadata.read_text())["notes"]
        if isinstance(notes, dict) and isinstance(notes["study"]["sha256"], str):
            return notes
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise UserError(f"{metadata}: has no record of the table's settings; run `{command}` again")
