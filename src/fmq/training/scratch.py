"""Progress of an unfinished run, in a folder that is no output of the workflow.

Snakemake deletes the outputs of a job that fails. What an interrupted run needs to go on, as if it
had never stopped, is therefore kept in ``results/scratch/TASK/seedN/RUN-HASH/``: the settings' hash
in its name keeps runs of different settings apart. The folder is deleted when the run is done.
"""

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from fmq import paths
from fmq.errors import Preempted, UserError
from fmq.locks import take_lock
from fmq.runs import Run, settings_hash
from fmq.training.checkpoint import load_checkpoint, save_checkpoint


class Scratch:
    """The scratch folder of a run, owned by this process."""

    def __init__(self, folder: Path, settings: str, interval: float) -> None:
        """Use `open_scratch`, which also takes the lock.

        Args:
            settings: hash of what shapes the run.
            interval: seconds between two times that progress is kept.
        """
        self.folder, self.settings, self.interval = folder, settings, interval
        self.due = time.monotonic() + interval
        self.stopping = False

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """What `keep` wrote last, or None at a run's beginning."""
        path = self.folder / "progress.pt"
        return load_checkpoint(path, self.settings, device) if path.exists() else None

    def keep(self, state: Callable[[], dict[str, Any]]) -> None:
        """Keep what `state` returns, if it is time to or the process has to stop.

        Raises:
            Preempted: after keeping, if the process was asked to stop.
            UserError: it cannot be written; what was kept before is still there.
        """
        if not self.stopping and time.monotonic() < self.due:
            return
        try:
            save_checkpoint(self.folder / "progress.pt", self.settings, state())
        except OSError as error:
            raise UserError(
                f"{self.folder}: progress cannot be kept: {error.strerror or error}; make room and "
                "start the run again, it goes on from what was kept before"
            ) from None
        self.due = time.monotonic() + self.interval
        if self.stopping:
            raise Preempted

    def request_stop(self, *_: object) -> None:
        """Signal handler: stop at the next occasion."""
        self.stopping = True


@contextmanager
def open_scratch(run: Run, results: Path) -> Iterator[Scratch]:
    """Own a run's scratch folder inside the block; it is deleted if the block ends without error.

    SIGTERM, by which clusters announce that a job has to make room, stops the run at its next step.

    Raises:
        UserError: another process works on this run.
    """
    digest = settings_hash(run.settings())
    folder = paths.scratch_folder(results, run.task.name, run.seed, run.name, digest)
    with take_lock(folder, "run"):
        scratch = Scratch(folder, digest, run.study.checkpoint_seconds)
        before = signal.signal(signal.SIGTERM, scratch.request_stop)
        try:
            yield scratch
            shutil.rmtree(folder)
        finally:
            signal.signal(signal.SIGTERM, before)
