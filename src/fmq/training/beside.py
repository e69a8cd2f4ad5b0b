"""Evaluations beside the training: of snapshots, on a CPU, in a process of their own."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fmq.acting.checkpoint import save_checkpoint
from fmq.acting.evaluation import Rows
from fmq.base.errors import UserError
from fmq.base.workers import Worker, start_worker
from fmq.pipeline.runs import Run, title
from fmq.training.learner import Learner


def snapshot(learner: Learner) -> dict[str, Any]:
    """Return what a policy needs of a learner (`read_networks`), copied to the host."""
    state = learner.state()
    tensors = {
        part: {name: value.to("cpu", copy=True) for name, value in state[part].items()}
        for part in ("actor", "critic", "normalizer")
    }
    return tensors | {"action_size": state["action_size"]}


class Evaluations:
    """The evaluations of the runs of one process, made by another one after the other.

    A snapshot stays in the folder until `forget` is told that its episodes are safe, so that a run
    that is interrupted before can ask for the evaluation again.

    Attributes:
        waiting: steps whose episodes have not come yet, in ascending order.
    """

    def __init__(self, runs: Sequence[Run], results: Path, folder: Path) -> None:
        """Prepare evaluations; the process starts with the first one.

        Args:
            runs: the same run for one seed, or for several.
            folder: where snapshots are kept.
        """
        self.runs, self.results, self.folder = runs, results, folder
        self.worker: Worker | None = None
        self.waiting: list[int] = []
        self.done: list[int] = []

    def save(self, step: int, learners: Sequence[Learner]) -> None:
        """Save a snapshot of each run's learner after a step."""
        for run, path, learner in zip(self.runs, self._paths(step), learners, strict=True):
            save_checkpoint(path, run.digest, snapshot(learner))

    def ask(self, step: int) -> None:
        """Ask for the evaluation of the snapshots of a step, after those asked for before."""
        if self.worker is None:
            self.worker = start_worker("fmq.acting.snapshots", {"CUDA_VISIBLE_DEVICES": ""})
            self._send((self.runs, self.results))
        self.waiting.append(step)
        self._send((step, self._paths(step)))

    def finished(self, wait: bool = False) -> Iterator[tuple[int, list[Rows]]]:
        """Yield the step and each run's episodes of every evaluation that is done.

        Args:
            wait: wait for those that are not.

        Raises:
            UserError: an evaluation failed, or its process was killed.
        """
        while self.waiting:
            assert self.worker is not None, "it was asked"
            if not (wait or self.worker.connection.poll()):
                return
            episodes = self._receive(self.worker)
            step = self.waiting.pop(0)
            self.done.append(step)
            yield step, episodes

    def forget(self) -> None:
        """Delete the snapshots whose episodes were yielded; the caller has saved those."""
        for step in self.done:
            for path in self._paths(step):
                path.unlink(missing_ok=True)
        self.done = []

    def close(self) -> None:
        """Kill the process, if it was started; what it has not done can be asked for again."""
        if self.worker is not None:
            self.worker.close()

    def _paths(self, step: int) -> list[Path]:
        return [self.folder / f"snapshot-{step}-seed{run.seed}.pt" for run in self.runs]

    def _send(self, message: Any) -> None:
        assert self.worker is not None, "it was started"
        with suppress(OSError):  # it has ended, which `finished` reports
            self.worker.connection.send(message)

    def _receive(self, worker: Worker) -> list[Rows]:
        try:
            episodes, error = worker.connection.recv()
        except (EOFError, OSError):  # OSError: it ended in the middle of an answer
            error = _why_it_ended(worker)
        if error is not None:
            raise UserError(f"{title(self.runs)}: evaluation at step {self.waiting[0]}: {error}")
        found: list[Rows] = episodes
        return found


def _why_it_ended(worker: Worker) -> str:
    code = worker.ended()
    if code == -signal.SIGKILL:
        return (
            "its process was killed, often because memory ran out; give the job more memory, or "
            "use fewer evaluation.environments, and start the run again; it continues"
        )
    return f"its process ended with exit code {code}; see the log, and start the run again"
