"""Whether tables that others are made of are still those of this study, and of each other.

What a table rests on stands beside it, in NAME.csv-metadata.json (`fmq.analysis.csvw`). Numbers of
other settings, or statistics of scores that have been made again since, would look as good.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fmq.analysis.provenance import settings_sha256
from fmq.data.manifest import file_sha256
from fmq.errors import UserError
from fmq.settings import Study


def scores_note(scores: Path) -> dict[str, str]:
    """What statistics note down about the scores behind them, beside their provenance."""
    return {"scores_sha256": file_sha256(scores)}


def check_scores_origin(study: Study, scores: Path) -> None:
    """Refuse scores that were made with other settings.

    Raises:
        UserError: they were, or what stands beside them does not tell.
    """
    _check_settings(study, scores, _notes(scores, "fmq scores"), "fmq scores")


def check_statistics_origin(study: Study, statistics: Iterable[Path], scores: Path) -> None:
    """Refuse statistics that were made with other settings, or of other scores than these.

    Raises:
        UserError: they were, or what stands beside them does not tell.
    """
    digest = file_sha256(scores)
    for path in statistics:
        notes = _notes(path, "fmq statistics")
        _check_settings(study, path, notes, "fmq statistics")
        if notes.get("scores_sha256") != digest:
            raise UserError(f"{path}: made of others than {scores}; run `fmq statistics` again")


def _check_settings(study: Study, path: Path, notes: dict[str, Any], command: str) -> None:
    found = notes["study"]["sha256"]
    wanted = settings_sha256(study)
    if found != wanted:
        raise UserError(
            f"{path}: made with other settings ({found[:12]}, not {wanted[:12]}); run `{command}` "
            "again"
        )


def _notes(path: Path, command: str) -> dict[str, Any]:
    """The provenance beside a table."""
    metadata = path.with_name(f"{path.name}-metadata.json")
    try:
        (notes,) = json.loads(metadata.read_text())["notes"]
        if isinstance(notes, dict) and isinstance(notes["study"]["sha256"], str):
            return notes
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise UserError(f"{metadata}: does not tell what the table was made of; run `{command}` again")
