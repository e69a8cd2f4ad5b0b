"""Keep the progress of an unfinished run in a folder that is not an output of the workflow.

Snakemake deletes the outputs of a job that fails. What an interrupted run needs to continue as if
it had never stopped is therefore kept in ``results/scratch/TASK/seedN/RUN-IDENTITY/``, beside the
run's lock, and deleted when the run is done.

Seeds that are trained in one process keep their progress in one file, in the folder of the first
seed, so that a kill leaves all of them at the same step.
"""

import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from fmq.acting.checkpoint import load_checkpoint, save_checkpoint
from fmq.base.errors import Preempted, UserError
from fmq.base.files import sweep
from fmq.base.locks import own
from fmq.pipeline.paths import progress_folder, run_folder, scratch_folder
from fmq.pipeline.runs import Run

State = dict[str, Any]


class Scratch:
    """The scratch folder of a run, or of several seeds of it, owned by this process.

    Attributes:
        at_once: whether SIGTERM ends the process immediately. It does at the beginning and during
            evaluations, when everything worth keeping is already on disk.
    """

    def __init__(self, folder: Path, settings: str, interval: float) -> None:
        """Use `open_scratch` instead, which also takes the lock.

        Args:
            settings: hash of the settings that determine the run, or each of the runs.
            interval: seconds between two saves of the progress.
        """
        self.folder, self.settings, self.interval = folder, settings, interval
        self.due = time.monotonic() + interval
        self.stopping = False
        self.at_once = True

    @property
    def progress(self) -> Path:
        """Return the path of the file that `keep` writes."""
        return self.folder / "progress.pt"

    @property
    def remedy(self) -> str:
        """Return what the user can do about progress that is unusable."""
        return f"delete {self.folder} to start the run over"

    def load(self, device: torch.device) -> State | None:
        """Return what `keep` wrote last; at the beginning of a run, clear the folder instead."""
        if not self.progress.exists():
            for left in self.folder.iterdir():  # by a process that ended before its first save
                left.unlink()
            return None
        return load_checkpoint(self.progress, self.settings, device, self.remedy)

    def keep(self, state: Callable[[], State], now: bool = False) -> bool:
        """Save what `state` returns, if it is due, or `now` is set, or the process has to stop.

        Returns whether it was saved.

        Raises:
            Preempted: after saving, if the process was asked to stop.
            UserError: the progress cannot be written; the progress saved before is still there.
        """
        if not (now or self.stopping or time.monotonic() >= self.due):
            return False
        try:
            save_checkpoint(self.progress, self.settings, state())
        except OSError as error:
            raise UserError(
                f"{self.folder}: progress cannot be kept: {error.strerror or error}; make room and "
                "start the run again; it continues from the progress kept before"
            ) from None
        self.due = time.monotonic() + self.interval
        if self.stopping:
            raise Preempted
        return True

    def request_stop(self, *_: object) -> None:
        """Handle a signal: stop at the next opportunity."""
        self.stopping = True
        if self.at_once:
            raise Preempted

    @contextmanager
    def nothing_to_lose(self) -> Iterator[None]:
        """Let SIGTERM end the block immediately, since progress was saved just before it."""
        before, self.at_once = self.at_once, True
        try:
            if self.stopping:
                raise Preempted
            yield
        except Exception:
            self.refuse_disguise()
            raise
        finally:
            self.at_once = before

    def refuse_disguise(self) -> None:
        """Raise `Preempted` again where the import of an extension made it an ImportError."""
        if self.stopping and self.at_once:
            raise Preempted from None

    def discard(self) -> None:
        """Delete all progress; if this is interrupted, what remains does not count as progress."""
        self.progress.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def open_scratch(runs: Sequence[Run], results: Path) -> Iterator[Scratch]:
    """Own the scratch folders of runs inside the block; delete the progress if it succeeds.

    SIGTERM, with which clusters announce that a job has to give way, stops the runs.

    Args:
        runs: the same run for one seed, or for several in ascending order.

    Raises:
        UserError: another process is working on one of these runs.
    """
    folders = [scratch_folder(run, results) for run in runs]
    with ExitStack() as owned:
        for folder in folders:
            owned.enter_context(own(folder, "run"))
        progress = progress_folder(runs, results)
        scratch = Scratch(progress, runs[0].digest, runs[0].study.checkpoint_seconds)
        for swept in (scratch.folder, *(run_folder(run, results) for run in runs)):
            sweep(swept)
        before = signal.signal(signal.SIGTERM, scratch.request_stop)
        try:
            scratch.folder.mkdir(exist_ok=True)
            yield scratch
            scratch.discard()
        except Exception:
            scratch.refuse_disguise()
            raise
        finally:
            signal.signal(signal.SIGTERM, before)
