"""Simulators in processes of their own, stepped in lockstep from here.

Which process a simulator is in does not show in what it does, so that an evaluation's episodes are
the same for any number of processes. The processes are new interpreters that run
`fmq.envs.worker`: copies of this one would have torch and its threads in them.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fmq.data.workers import ONE_BLAS_THREAD
from fmq.envs.simulators import Stretch
from fmq.errors import UserError
from fmq.tasks import Task


class _Worker(NamedTuple):
    process: subprocess.Popen[bytes]
    connection: Connection


class SimulatorProcesses:
    """Simulators of a task, dealt out to processes like cards.

    The processes end with this one, however it ends: their connections are closed then.
    """

    def __init__(self, task: Task, folder: Path, count: int, processes: int) -> None:
        """Start the processes, which make their simulators at the same time.

        Args:
            folder: of the task's data set, as for `fmq.envs.environment.make_environment`.
            count: of the simulators, at least as many as `processes`.

        Raises:
            UserError: the folder has no such file, or a simulator cannot be made.
        """
        self.count = count
        self.workers: list[_Worker] = []
        with self._closed_on_error():
            for _ in range(processes):
                self.workers.append(_start_worker())
            shares = [len(range(number, count, processes)) for number in range(processes)]
            self._ask({number: (task, folder, share) for number, share in enumerate(shares)})

    def __len__(self) -> int:
        """How many simulators there are."""
        return self.count

    def reset(self, seeds: dict[int, int]) -> dict[int, np.ndarray]:
        """Start episodes, by the simulator's number; returns their first observations."""
        return self._deal("reset", seeds)

    def execute(self, chunks: dict[int, np.ndarray]) -> dict[int, Stretch]:
        """Execute chunks of shape (H, A) open loop, by the simulator's number."""
        return self._deal("execute", chunks)

    def close(self) -> None:
        """End the processes; there is nothing in them to lose."""
        for worker in self.workers:
            worker.connection.close()
            worker.process.kill()
        for worker in self.workers:
            worker.process.wait()
        self.workers = []

    def _deal(self, method: str, arguments: dict[int, Any]) -> dict[int, Any]:
        """Call a method of every process's simulators, each with its share of the arguments."""
        shares: dict[int, tuple[str, dict[int, Any]]] = {}
        for number, argument in arguments.items():
            place, worker = divmod(number, len(self.workers))
            shares.setdefault(worker, (method, {}))[1][place] = argument
        with self._closed_on_error():
            answers = self._ask(shares)
        return {
            place * len(self.workers) + worker: value
            for worker, values in answers.items()
            for place, value in values.items()
        }

    def _ask(self, requests: dict[int, Any]) -> dict[int, Any]:
        """Send a request to each of some processes, and wait for all answers.

        Raises:
            UserError: what a process was refused or failed in, or that it is no more.
        """
        answers = {}
        try:
            for number, request in requests.items():
                self.workers[number].connection.send(request)
            for number in requests:
                answers[number], error = self.workers[number].connection.recv()
                if error is not None:
                    raise UserError(error)
        except (EOFError, OSError):  # OSError: in the middle of an answer
            raise UserError(self._what_ended()) from None
        return answers

    def _what_ended(self) -> str:
        """Why a process answers no more, in words."""
        codes = [_ended(worker.process) for worker in self.workers]
        if -signal.SIGKILL in codes:
            return (
                "evaluation: a process of its simulators was killed, often for want of memory; "
                "use fewer evaluation.processes or evaluation.environments"
            )
        told = ", ".join(str(code) for code in codes if code is not None) or "unknown"
        return f"evaluation: a process of its simulators ended with exit code {told}; see the log"

    @contextmanager
    def _closed_on_error(self) -> Iterator[None]:
        """What is interrupted leaves answers behind that would be taken for those to come."""
        try:
            yield
        except BaseException:
            self.close()
            raise


def _ended(process: subprocess.Popen[bytes]) -> int | None:
    """Exit code of a process that may just be ending; None if it goes on."""
    try:
        return process.wait(1)
    except subprocess.TimeoutExpired:
        return None


def _start_worker() -> _Worker:
    ours, theirs = Pipe()
    descriptor = theirs.fileno()
    command = [sys.executable, "-P", "-m", "fmq.envs.worker", str(descriptor)]
    with theirs, _deaf():
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            pass_fds=[descriptor],
            env=os.environ | ONE_BLAS_THREAD,
        )
    return _Worker(process, ours)


@contextmanager
def _deaf() -> Iterator[None]:
    """For processes started inside: SIGINT and SIGTERM never reach them.

    Terminals and clusters send these to all processes of a job. This one then stops as it should,
    and the others with it; if they stopped first, it would look like an error to this one.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
