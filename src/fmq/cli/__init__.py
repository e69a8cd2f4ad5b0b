"""The `fmq` command line: run a study, tools around it, and one subcommand per rule."""

import os
import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from fmq import __version__
from fmq.base.errors import Preempted
from fmq.base.messages import PREFIX, STOPPED
from fmq.base.programs import name_user
from fmq.base.system_errors import in_one_line
from fmq.cli.evidence import app as evidence
from fmq.cli.options import INSIDE, PANELS
from fmq.cli.policies import app as policies
from fmq.cli.run import app as running
from fmq.cli.stages import app as stages
from fmq.cli.tools import app as tools

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

EXIT_STOPPED = 75  # exit code of a run that was asked to stop and continues when started again


for commands in (running, tools, policies, evidence, stages):
    app.registered_commands += commands.registered_commands
for command in app.registered_commands:
    command.rich_help_panel = command.rich_help_panel or INSIDE
app.registered_commands.sort(key=lambda command: PANELS.index(str(command.rich_help_panel)))


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"fmq {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_tell_version, help="Print the version."),
    ] = False,
) -> None:
    """Flow map policies with optimal Q-guidance; `fmq COMMAND --help` tells of a command."""


def main() -> None:
    """Run the command line; errors that the user can fix print one line and exit with code 2."""
    # The simulators' linear algebra rounds differently with another number of threads, so the same
    # seed would generate different data. torch's own threads are set by `threads`.
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    _write_utf8()
    name_user()
    try:
        with in_one_line():
            app()
    except Preempted:
        print(f"{PREFIX}{STOPPED}; the same command goes on from here", file=sys.stderr)
        raise SystemExit(EXIT_STOPPED) from None


def _write_utf8() -> None:
    """Write UTF-8 to files and pipes, whatever the locale: what one command writes, others read.

    A terminal keeps its encoding; characters that it lacks are escaped.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            encoding = stream.encoding if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="backslashreplace")
