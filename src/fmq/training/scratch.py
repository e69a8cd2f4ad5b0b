"""Progress of an unfinished run, in a folder that is no output of the workflow.

Snakemake deletes the outputs of a job that fails. What an interrupted run needs to go on, as if it
had never stopped, is therefore kept in ``results/scratch/TASK/seedN/RUN/HASH/``: the settings' hash
keeps runs of different settings apart, which share outputs and so the lock. The folder of the hash
is deleted when the run is done.

Seeds that are trained in one process have their progress in one file, so that a kill leaves all at
the same step: in the first one's folder, under the hash of all their settings.
"""

import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from fmq import paths
from fmq.errors import Preempted, UserError
from fmq.files import sweep
from fmq.locks import own
from fmq.runs import Run, together_hash
from fmq.training.checkpoint import load_checkpoint, save_checkpoint


class Scratch:
    """The scratch folder of a run, or of several seeds of it, owned by this process.

    Attributes:
        at_once: whether SIGTERM ends the process where it is: at the beginning, and in evaluations,
            all that there is to lose is kept already.
    """

    def __init__(self, folder: Path, settings: str, interval: float) -> None:
        """Use `open_scratch`, which also takes the lock.

        Args:
            settings: hash of what shapes the run, or of what shapes each of them.
            interval: seconds between two times that progress is kept.
        """
        self.folder, self.settings, self.interval = folder, settings, interval
        self.due = time.monotonic() + interval
        self.stopping = False
        self.at_once = True

    @property
    def progress(self) -> Path:
        """The file that `keep` writes."""
        return self.folder / "progress.pt"

    @property
    def remedy(self) -> str:
        """What to do about progress that is of no use."""
        return f"delete {self.folder} to begin the run anew"

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """What `keep` wrote last, or None at a run's beginning."""
        if not self.progress.exists():
            return None
        return load_checkpoint(self.progress, self.settings, device, self.remedy)

    def keep(self, state: Callable[[], dict[str, Any]], now: bool = False) -> None:
        """Keep what `state` returns, if it is time to, or `now`, or the process has to stop.

        Raises:
            Preempted: after keeping, if the process was asked to stop.
            UserError: it cannot be written; what was kept before is still there.
        """
        if not (now or self.stopping or time.monotonic() >= self.due):
            return
        try:
            save_checkpoint(self.progress, self.settings, state())
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
        if self.at_once:
            raise Preempted

    @contextmanager
    def nothing_to_lose(self) -> Iterator[None]:
        """Around work that is not worth being waited for: `keep` was called `now` before it."""
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
        """An extension that is being imported makes an ImportError of the signal's exception."""
        if self.stopping and self.at_once:
            raise Preempted from None

    def discard(self) -> None:
        """Delete all progress; what is left when this is interrupted is no progress any more."""
        self.progress.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def open_scratch(runs: Sequence[Run], results: Path) -> Iterator[Scratch]:
    """Own the scratch folders of runs inside the block; progress is deleted if it ends well.

    SIGTERM, by which clusters announce that a job has to make room, stops the runs.

    Args:
        runs: the same run of one seed, or of several in ascending order.

    Raises:
        UserError: another process works on one of these runs.
    """
    places = [(results, run.task.name, run.seed, run.name) for run in runs]
    folders = [paths.scratch_folder(*place) for place in places]
    with ExitStack() as owned:
        for folder in folders:
            owned.enter_context(own(folder, "run"))
        digest = together_hash(runs)
        scratch = Scratch(folders[0] / digest, digest, runs[0].study.checkpoint_seconds)
        for swept in (scratch.folder, *(paths.run_folder(*place) for place in places)):
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
