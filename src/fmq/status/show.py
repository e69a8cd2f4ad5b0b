"""Print the state of a study, once or again and again."""

import json
import sys
import time
from contextlib import suppress
from pathlib import Path

import typer

from fmq.configuration import load_study
from fmq.errors import UserError
from fmq.status.examine import examine
from fmq.status.report import as_document, as_text

REFRESH_SECONDS = 5.0
CLEAR = "\033[H\033[2J"


def show(settings: Path, results: Path, as_json: bool = False, watch: bool = False) -> None:
    """Print a text, or with `as_json` a document; with `watch` anew until interrupted.

    Raises:
        UserError: no settings to read, or `watch` with `as_json`.
    """
    if watch and as_json:
        raise UserError("--watch shows a text; leave out --json, or ask for it again and again")
    if not watch:
        typer.echo(_state(settings, results, as_json))
        return
    with suppress(KeyboardInterrupt):
        while True:
            text = _state(settings, results, as_json)
            now = time.strftime("%H:%M:%S")
            typer.echo(f"{CLEAR if sys.stdout.isatty() else ''}{text}\n\n{now}, Ctrl-C ends this")
            time.sleep(REFRESH_SECONDS)


def _state(settings: Path, results: Path, as_json: bool) -> str:
    study = load_study(settings)  # each time: it may have been begun anew, with others
    states = examine(study, results)
    if as_json:
        return json.dumps(as_document(study, states), indent=2)
    return as_text(study, states)
