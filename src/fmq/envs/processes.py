"""Simulators in worker processes, stepped in lockstep.

A simulator behaves the same in any process, so an evaluation's episodes do not depend on the
number of processes. The workers run `fmq.envs.worker`.
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

    def __init__(self, task: Task, folder: Path, count: int, processes: int) -> None:
        """Start the workers, which make their simulators in parallel.

        Args:
            folder: the data set's folder, as for `fmq.envs.making.make_environment`.
            count: number of simulators, at least `processes`.
            processes: number of worker processes.

        Raises:
            UserError: the data file is missing or damaged, or a simulator cannot be made.
        """
        self.count = count
        self.workers: list[Worker] = []
        with self._closed_on_error():
            for _ in range(processes):
                self.workers.append(_start_worker())
            shares = [len(range(number, count, processes)) for number in range(processes)]
            self._ask({number: (task, folder, share) for number, share in enumerate(shares)})

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
        """Send requests to workers, by worker number, and wait for all answers.

        Raises:
            UserError: a worker reported an error, or it has ended.
        """
        answers = {}
        try:
            for number, request in requests.items():
                self.workers[number].connection.send(request)
            for number in requests:
                answers[number], error = self.workers[number].connection.recv()
                if error is not None:
                    raise UserError(error)
        except (EOFError, OSError):  # OSError: it ended in the middle of an answer
            raise UserError(self._what_ended()) from None
        return answers

    def _what_ended(self) -> str:
        """Describe why a worker no longer answers."""
        codes = [worker.ended() for worker in self.workers]
        if -signal.SIGKILL in codes:
            return (
                "evaluation: a simulator process was killed, often because memory ran out; "
                "use fewer evaluation.processes or evaluation.environments"
            )
        told = ", ".join(str(code) for code in codes if code is not None) or "unknown"
        return f"evaluation: a simulator process ended with exit code {told}; see the log"

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
