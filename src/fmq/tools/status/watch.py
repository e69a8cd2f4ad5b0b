"""Print the state of a study, once or again and again."""

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import typer

from fmq.base.errors import UserError
from fmq.config.study import Study
from fmq.tools.status.examine import examine
from fmq.tools.status.report import as_document, as_text

REFRESH_SECONDS = 5.0
CLEAR = "\033[H\033[2J"


def show(
    study: Callable[[], Study],
    results: Path,
    as_json: bool = False,
    watch: bool = False,
    details: bool = False,
) -> None:
    """Print the state as text, or as JSON with `as_json`; repeat until interrupted with `watch`.

    Args:
        study: reads the settings, every time, since the study may restart with others.
        details: whether every part is shown, however many there are.

    Raises:
        UserError: the settings cannot be read, or `watch` is combined with `as_json`.
    """
    if watch and as_json:
        raise UserError(
            "--watch shows text; leave out --json, or call `fmq status --json` in a loop"
        )
    if not watch:
        typer.echo(_state(study(), results, as_json, details))
        return
    with suppress(KeyboardInterrupt):
        while True:
            text = _state(study(), results, as_json, details)
            now = time.strftime("%H:%M:%S")
            typer.echo(f"{CLEAR if sys.stdout.isatty() else ''}{text}\n\n{now}, Ctrl-C to stop")
            time.sleep(REFRESH_SECONDS)


def _state(study: Study, results: Path, as_json: bool, details: bool) -> str:
    states = examine(study, results)
    if as_json:
        return json.dumps(as_document(study, states), indent=2)
    return as_text(study, states, details)
