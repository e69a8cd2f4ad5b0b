"""Optional trackers, which show the rows of a run's metrics and evaluations while it trains.

Trackers only read what the run keeps anyway, so a run is the same with and without one. A file in
``results/trackers/KIND/TASK/seedN/RUN-HASH/`` counts the rows that were sent: a resumed run sends
new rows, and those that an earlier process did not get to. The count is written first, so that rows
at which the process is killed are lost to the tracker rather than sent twice.
"""

import importlib.util
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fmq.base.errors import UserError
from fmq.base.files import write_json
from fmq.base.messages import notice, one_line
from fmq.pipeline.runs import Run

PROJECT = "fmq"
Scalars = dict[str, float]
Tell = Callable[[int, Scalars], None]
"""Sends the scalars of a step to a tracker, and makes sure that they are written."""


class Told(NamedTuple):
    """The number of rows of metrics and of episodes that were sent to the tracker."""

    metrics: int = 0
    episodes: int = 0


class Tracker:
    """A tracker that is sent new rows; after its first failure, none in this process."""

    def __init__(self, folder: Path, open_: Callable[[Path], Tell]) -> None:
        """Use `make_tracker` instead.

        Args:
            folder: folder of this run with these settings.
            open_: starts writing to the folder; called with the first rows.
        """
        self.folder, self.open = folder, open_
        self.tell: Tell | None = None
        self.told: Told | None = None
        self.failed = False

    def follow(self, metrics: Sequence[dict[str, Any]], episodes: Sequence[dict[str, Any]]) -> None:
        """Send the rows that were not sent yet; both lists only ever grow."""
        if self.failed:
            return
        try:
            self._follow(metrics, episodes)
        except Exception as error:  # a tracker must not stop the run
            self.failed = True
            reason = one_line(f"{type(error).__name__}: {error}", 200)
            notice(f"tracker gave up, training goes on: {reason}")

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
    """Return the tracker that the study asks for, or None.

    Raises:
        UserError: the tracker's package is not installed.
    """
    kind = run.study.tracker
    if kind == "none":
        return None
    if importlib.util.find_spec(kind) is None:
        raise UserError(
            f"tracker: {kind} is not installed; pip install {kind}, or set tracker: none"
        )
    place = Path(run.task.name) / f"seed{run.seed}" / run.folder
    folder = results / "trackers" / kind / place
    if kind == "tensorboard":
        return Tracker(folder, _open_tensorboard)
    return Tracker(folder, lambda folder: _open_wandb(folder, run, run.digest))


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
        reinit="create_new",  # beside the runs of the process's other seeds
        config=run.settings(),
        dir=str(folder),
        settings=wandb.Settings(console="off", silent=True),  # keep the run's log to itself
    )
    session.define_metric("step")
    session.define_metric("*", step_metric="step")

    def tell(step: int, scalars: Scalars) -> None:
        session.log({"step": step, **scalars})

    return tell


def _metrics_scalars(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[int, Scalars]]:
    """Yield each row of ``metrics.csv`` as ``metrics/NAME``."""
    for row in rows:
        yield row["step"], {f"metrics/{key}": row[key] for key in row if key != "step"}


def _evaluation_scalars(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[int, Scalars]]:
    """Yield each evaluation's mean ``evaluation/success``, ``/return`` and ``/length``."""
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
        return Told(**json.loads((folder / "told.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Told()
