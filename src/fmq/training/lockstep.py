"""The workbenches of one process, one per seed, which take every step together."""

import contextlib
from collections.abc import Iterator, Sequence
from statistics import mean
from typing import Any

from fmq.acting.checkpoint import save_checkpoint
from fmq.base.errors import UserError
from fmq.pipeline.runs import title
from fmq.training.divergence import Divergence
from fmq.training.updater import Updater
from fmq.training.workbench import Workbench


class Lockstep:
    """The workbenches of a process, one or several, and what they do together.

    Attributes:
        first: the bench that stands for all in what they share: run, step, scratch, clock.
    """

    def __init__(self, benches: Sequence[Workbench]) -> None:
        """Set up the joint updates of benches that start or resume."""
        self.benches, self.first = benches, benches[0]
        learners = [bench.learner for bench in benches]
        capture = self.first.run.training.capture
        self.updater = Updater(learners, self.first.objective(), self.first.compiles, capture)

    @property
    def title(self) -> str:
        """Return the name of the runs for progress lines."""
        return title([bench.run for bench in self.benches])

    def update(self, step: int, measure: bool) -> list[dict[str, float]]:
        """Sample a batch per bench and update all; with `measure`, return the metrics of each.

        Raises:
            UserError: training diverged for a seed, which the message names. Its batch is kept
                beside the last good progress.
        """
        batches = [bench.sample() for bench in self.benches]
        with self.first.clock.measure("update", len(batches)), self._keeping_what_diverged():
            return self.updater.update(batches, step, measure)

    @contextlib.contextmanager
    def _keeping_what_diverged(self) -> Iterator[None]:
        try:
            yield
        except Divergence as error:
            scratch = self.first.scratch
            kept = scratch.folder / "diverged.pt"
            with contextlib.suppress(OSError):  # the divergence matters more than a failed write
                save_checkpoint(kept, scratch.settings, error.batch._asdict())
            raise UserError(
                f"{self.benches[error.learner].run}: {error} at gradient step {error.step}; its "
                f"batch is in {kept}; lower learning_rate or target_rate"
            ) from None

    def evaluate(self, step: int) -> str:
        """Evaluate every bench and return the success rate, or the mean of several, as text."""
        return f"success {mean(bench.evaluate(step) for bench in self.benches):.0%} at {step}"

    def evaluate_end(self) -> str:
        """Evaluate the end of every run and return the mean success rate as text."""
        success = mean(bench.evaluate_end() for bench in self.benches)
        return f"success {success:.0%} at {self.first.run.last_step}"

    def record(self, rows: Sequence[dict[str, float]], *activities: str) -> None:
        """Record a row of metrics per bench; shares of time and rates are the same for all."""
        times = self.first.clock.row(*activities)
        for bench, row in zip(self.benches, rows, strict=True):
            bench.record(row | times)

    def done(self, step: int) -> None:
        """Set the last finished step of all benches."""
        for bench in self.benches:
            bench.step = step

    def state(self, collectors: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
        """Return the progress of all benches for one file, so that no seed is ahead of another.

        Args:
            collectors: states of the benches' collectors, if they act.

        Raises:
            UserError: as in `update`.
        """
        with self._keeping_what_diverged():
            self.updater.settle()
        states = [bench.state() for bench in self.benches]
        for state, collector in zip(states, collectors, strict=False):
            state["collector"] = collector
        return {"runs": states}
