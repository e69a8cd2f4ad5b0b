"""Optional trackers: the rows of a run's metrics and evaluations, shown while it trains.

They only read what the run keeps anyway, so that a run is the same with and without one. What was
told is counted in a file, in ``results/trackers/KIND/TASK/seedN/RUN-HASH/``: a run that goes on
tells what is new, and what an earlier process had no time to. The count is written first: of a row
during which the process is killed, nothing is told, rather than everything twice.
"""

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fmq.errors import UserError
from fmq.files import write_json
from fmq.messages import one_line
from fmq.runs import Run, settings_hash

PROJECT = "fmq"
Scalars = dict[str, float]
Tell = Callable[[int, Scalars], None]
"""Hands the scalars of a step to a tracker, and sees to it that they are written."""


class Told(NamedTuple):
    """How many rows of metrics and of episodes the tracker has been told."""

    metrics: int = 0
    episodes: int = 0


class Tracker:
    """Tells a tracker what is new; after its first failure, nothing more in this process."""

    def __init__(self, folder: Path, open_: Callable[[Path], Tell]) -> None:
        """Use `make_tracker`.

        Args:
            folder: of this run and these settings.
            open_: begins to write there; called with the first rows.
        """
        self.folder, self.open = folder, open_
        self.tell: Tell | None = None
        self.told: Told | None = None
        self.failed = False

    def follow(self, metrics: Sequence[dict[str, Any]], episodes: Sequence[dict[str, Any]]) -> None:
        """Tell the rows that have not been told; both lists only ever grow."""
        if self.failed:
            return
        try:
            self._follow(metrics, episodes)
        except Exception as error:  # whatever a tracker does, the run goes on
            self.failed = True
            reason = one_line(f"{type(error).__name__}: {error}", 200)
            print(f"fmq: tracker gave up, training goes on: {reason}", file=sys.stderr, flush=True)

    def _follow(
        self, metrics: Sequence[dict[str, Any]], episodes: Sequence[dict[str, Any]]
    ) -> None:
        if self.told is None:
            self.told = _read_told(self.folder)
        now = Told(len(metrics), len(episodes))
        if now.metrics <= self.told.metrics and now.episodes <= self.told.episodes:
            return
        new = [*_metrics_scalars(metrics[self.told.metrics :])]
        new += _evaluation_scalars(episodes[self.told.episodes :])
        if self.tell is None:
            self.tell = self.open(self.folder)
        self.told = Told(*map(max, self.told, now))
        write_json(self.folder / "told.json", self.told._asdict())
        for step, scalars in new:
            self.tell(step, scalars)


def make_tracker(run: Run, results: Path) -> Tracker | None:
    """The tracker that the study asks for, or None.

    Raises:
        UserError: its package is not installed.
    """
    kind = run.study.tracker
    if kind == "none":
        return None
    if importlib.util.find_spec(kind) is None:
        raise UserError(
            f"tracker: {kind} is not installed; pip install {kind}, or set tracker: none"
        )
    digest = settings_hash(run.settings())
    place = Path(run.task.name) / f"seed{run.seed}" / f"{run.name}-{digest}"
    folder = results / "trackers" / kind / place
    if kind == "tensorboard":
        return Tracker(folder, _open_tensorboard)
    return Tracker(folder, lambda folder: _open_wandb(folder, run, digest))


def _open_tensorboard(folder: Path) -> Tell:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder))

    def tell(step: int, scalars: Scalars) -> None:
        for name, value in scalars.items():
            writer.add_scalar(name, value, step)
        writer.flush()

    return tell


def _open_wandb(folder: Path, run: Run, digest: str) -> Tell:
    import wandb

    folder.mkdir(parents=True, exist_ok=True)
    session = wandb.init(
        project=PROJECT,
        group=run.task.name,
        name=str(run),
        id=f"{run.name}-{run.task.name}-{run.seed}-{digest}".replace("@", "-"),
        resume="allow",
        reinit="create_new",  # beside those of the process's other seeds
        config=run.settings(),
        dir=str(folder),
        settings=wandb.Settings(console="off", silent=True),  # the log is the run's own
    )
    session.define_metric("step")
    session.define_metric("*", step_metric="step")

    def tell(step: int, scalars: Scalars) -> None:
        session.log({"step": step, **scalars})

    return tell


def _metrics_scalars(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[int, Scalars]]:
    """``metrics/NAME`` of each row of ``metrics.csv``."""
    for row in rows:
        yield row["step"], {f"metrics/{key}": row[key] for key in row if key != "step"}


def _evaluation_scalars(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[int, Scalars]]:
    """``evaluation/success``, ``/return`` and ``/length``: means over an evaluation's episodes."""
    for step in dict.fromkeys(row["step"] for row in rows):
        episodes = [row for row in rows if row["step"] == step]
        yield (
            step,
            {
                f"evaluation/{key}": sum(row[key] for row in episodes) / len(episodes)
                for key in ("success", "return", "length")
            },
        )


def _read_told(folder: Path) -> Told:
    try:
        return Told(**json.loads((folder / "told.json").read_text()))
    except FileNotFoundError:
        return Told()
