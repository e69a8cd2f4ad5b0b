"""Simulators in worker processes: an evaluation's in lockstep, a training run's beside its updates.

A simulator behaves the same in any process, so episodes do not depend on the number of processes.
The workers run `fmq.envs.worker`.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fmq.base.errors import UserError
from fmq.base.workers import Worker, start_worker
from fmq.config.tasks import Task
from fmq.envs.simulators import Stretch


class SimulatorProcesses:
    """Simulators of a task, distributed round-robin over worker processes.

    The workers end with this process, however it ends, because their connections close.
    """

    def __init__(self, user: str, task: Task, folder: Path, count: int, processes: int) -> None:
        """Start the workers, which make their simulators in parallel.

        Args:
            user: what the simulators are for, which messages begin with.
            folder: the data set's folder, as for `fmq.envs.making.make_environment`.
            count: number of simulators, at least `processes`.
            processes: number of worker processes.

        Raises:
            UserError: the data file is missing or damaged, or a simulator cannot be made.
        """
        self.user, self.count = user, count
        self.workers: list[Worker] = []
        with self._closed_on_error():
            for _ in range(processes):
                self.workers.append(_start_worker())
            shares = [len(range(number, count, processes)) for number in range(processes)]
            self._ask({number: (user, task, folder, one) for number, one in enumerate(shares)})

    def __len__(self) -> int:
        """Return the number of simulators."""
        return self.count

    def reset(self, seeds: dict[int, int]) -> dict[int, np.ndarray]:
        """Start an episode in each given simulator and return the first observations.

        Args:
            seeds: the episode's seed for each simulator number.
        """
        return self._deal("reset", seeds)

    def execute(self, chunks: dict[int, np.ndarray]) -> dict[int, Stretch]:
        """Execute action chunks open loop.

        Args:
            chunks: actions of shape (H, A) for each simulator number.
        """
        return self._deal("execute", chunks)

    def play(self, number: int, chunk: np.ndarray, following: int) -> Iterator[Any]:
        """Let a simulator execute a chunk at once, and return its outcome step by step.

        The arguments and what is returned are those of `fmq.envs.simulators.Simulators.play`. The
        worker does not wait for the steps to be taken.
        """
        place, worker = divmod(number, len(self.workers))
        with self._closed_on_error():
            self._send(worker, ("play", place, chunk, following))
        return self._played(worker)

    def _played(self, worker: int) -> Iterator[Any]:
        while True:
            with self._closed_on_error():
                answer = self._receive(worker)
            yield answer

    def close(self) -> None:
        """Kill the workers; they hold nothing that must be saved."""
        for worker in self.workers:
            worker.connection.close()
            worker.process.kill()
        for worker in self.workers:
            worker.process.wait()
        self.workers = []

    def _deal(self, method: str, arguments: dict[int, Any]) -> dict[int, Any]:
        """Call a method in each worker with its share of the arguments; both map by simulator."""
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
        """Send requests to workers, by worker number, and wait for all answers."""
        for number, request in requests.items():
            self._send(number, request)
        return {number: self._receive(number) for number in requests}

    def _send(self, worker: int, request: Any) -> None:
        try:
            self.workers[worker].connection.send(request)
        except OSError:
            raise UserError(self._what_ended()) from None

    def _receive(self, worker: int) -> Any:
        """Wait for an answer.

        Raises:
            UserError: the worker reported an error, or it has ended.
        """
        try:
            answer, error = self.workers[worker].connection.recv()
        except (EOFError, OSError):  # OSError: it ended in the middle of an answer
            raise UserError(self._what_ended()) from None
        if error is not None:
            raise UserError(error)
        return answer

    def _what_ended(self) -> str:
        """Describe why a worker no longer answers."""
        codes = [worker.ended() for worker in self.workers]
        if -signal.SIGKILL in codes:
            return (
                f"{self.user}: a simulator process was killed, often because memory ran out; "
                "use fewer evaluation.processes or evaluation.environments, or online.simulators: "
                "here"
            )
        told = ", ".join(str(code) for code in codes if code is not None) or "unknown"
        return f"{self.user}: a simulator process ended with exit code {told}; see the log"

    @contextmanager
    def _closed_on_error(self) -> Iterator[None]:
        """Close the workers on any exception.

        After an interruption, pending answers would be mistaken for those of the next request.
        """
        try:
            yield
        except BaseException:
            self.close()
            raise


def _start_worker() -> Worker:
    return start_worker("fmq.envs.worker")
