"""The `fmq` command line: one subcommand per workflow rule, and tools around the study."""

import errno
import os
import sys

import typer

from fmq.base.errors import Preempted, UserError
from fmq.cli.evidence import app as evidence
from fmq.cli.policies import app as policies
from fmq.cli.stages import app as stages
from fmq.cli.tools import app as tools

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Flow map policies with optimal Q-guidance: every stage of the study as a command.",
)

NO_ROOM_OR_RIGHT = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)
STOPPED = 75  # exit code of a run that was asked to stop and continues when started again


for commands in (tools, stages, policies, evidence):
    app.add_typer(commands)


def main() -> None:
    """Run the command line; errors that the user can fix print one line and exit with code 2."""
    # The simulators' linear algebra rounds differently with another number of threads, so the same
    # seed would generate different data. torch's own threads are set by `threads`.
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    try:
        app()
    except UserError as error:
        print(f"fmq: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        if error.errno not in NO_ROOM_OR_RIGHT:
            raise
        place = f"{error.filename}: " if error.filename else ""
        told = f"{place}{error.strerror}; free disk space or check the permission to write there"
        print(f"fmq: {told}, then run the command again", file=sys.stderr)
        raise SystemExit(2) from None
    except Preempted:
        print("fmq: stopped as asked; the same command goes on from here", file=sys.stderr)
        raise SystemExit(STOPPED) from None
