"""The program of a process that steps simulators for another: ``python -m fmq.envs.worker FD``.

The file descriptor is an end of a `multiprocessing.Pipe`. A task, a folder and a number of
simulators to make come first; then method names of `LocalSimulators`, each with its argument. Every
answer is a pair of a value and an error for people, one of which is None. Imports no torch.
"""

import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fmq.envs.environment import make_environment
from fmq.envs.simulators import LocalSimulators
from fmq.errors import UserError
from fmq.messages import one_line
from fmq.tasks import Task


def serve(connection: Connection) -> None:
    """Answer until the other end is closed, or the simulators cannot be made."""
    simulators, error = _answer(_make, *connection.recv())
    connection.send((None, error))
    while error is None:
        method, argument = connection.recv()
        connection.send(_answer(getattr(simulators, method), argument))


def _make(task: Task, folder: Path, count: int) -> LocalSimulators:
    return LocalSimulators([make_environment(task, folder) for _ in range(count)])


def _answer(call: Callable[..., Any], *arguments: Any) -> tuple[Any, str | None]:
    try:
        return call(*arguments), None
    except UserError as error:
        return None, str(error)
    except Exception as error:
        traceback.print_exc()
        told = one_line(f"{type(error).__name__}: {error}", 200)
        return None, f"evaluation: a simulator failed: {told}; above is where"


if __name__ == "__main__":
    with suppress(EOFError, ConnectionError):
        serve(Connection(int(sys.argv[1])))
