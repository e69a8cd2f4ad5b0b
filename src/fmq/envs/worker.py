"""A worker process that steps simulators for another: ``python -m fmq.envs.worker FD``.

The file descriptor FD is one end of a `multiprocessing.Pipe`. The first message says what the
simulators are for, which begins the message where one fails, and gives a task, a folder and the
number of simulators to make. Every later message is a method name of `LocalSimulators` and its
arguments. It is answered by the value, or, if that is an iterator, by each item as soon as it is
made. Every answer is a pair (value, error message), one of which is None. This module does not
import torch.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fmq.base.errors import UserError
from fmq.base.workers import describe_fault
from fmq.config.tasks import Task
from fmq.envs.making import make_environment
from fmq.envs.simulators import LocalSimulators


def serve(connection: Connection) -> None:
    """Answer requests until the connection closes or the simulators cannot be made."""
    user, *wanted = connection.recv()
    ((simulators, error),) = _answers(user, _make, *wanted)
    connection.send((None, error))
    while error is None:
        method, *arguments = connection.recv()
        for answer in _answers(user, getattr(simulators, method), *arguments):
            connection.send(answer)


def _make(task: Task, folder: Path, count: int) -> LocalSimulators:
    return LocalSimulators([make_environment(task, folder) for _ in range(count)])


def _answers(
    user: str, call: Callable[..., Any], *arguments: Any
) -> Iterator[tuple[Any, str | None]]:
    try:
        value = call(*arguments)
        for item in value if isinstance(value, Iterator) else [value]:
            yield item, None
    except UserError as error:
        yield None, str(error)
    except Exception as error:
        yield None, f"{user}: a simulator failed: {describe_fault(error)}"


if __name__ == "__main__":
    with suppress(EOFError, ConnectionError):
        serve(Connection(int(sys.argv[1])))
