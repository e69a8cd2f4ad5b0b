"""The workbenches of one process, each with its own seed, that make the same step together."""

import contextlib
from collections.abc import Iterator, Sequence
from statistics import mean
from typing import Any

from fmq.errors import UserError
from fmq.runs import title
from fmq.training.checkpoint import save_checkpoint
from fmq.training.divergence import Divergence
from fmq.training.updater import Updater
from fmq.training.workbench import Workbench


class Lockstep:
    """What the benches of a process do together, one or several of them.

    Attributes:
        first: a bench that stands for all in what they share: run, step, scratch, clock.
    """

    def __init__(self, benches: Sequence[Workbench]) -> None:
        """Of benches as they begin or go on."""
        self.benches, self.first = benches, benches[0]
        learners = [bench.learner for bench in benches]
        self.updater = Updater(learners, self.first.objective(), self.first.compiles)

    @property
    def title(self) -> str:
        """What is told of them."""
        return title([bench.run for bench in self.benches])

    def update(self, step: int, measure: bool) -> list[dict[str, float]]:
        """Sample a batch each and make one update of all; with `measure`, the metrics of each.

        Raises:
            UserError: training of one diverged; its seed is named. Its batch is kept beside the
                last good progress.
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
            with contextlib.suppress(OSError):  # what went wrong matters more
                save_checkpoint(kept, scratch.settings, error.batch._asdict())
            raise UserError(
                f"{self.benches[error.learner].run}: {error} at gradient step {error.step}; its "
                f"batch is in {kept}; lower learning_rate or target_rate"
            ) from None

    def evaluate(self, step: int) -> str:
        """Evaluate each, and tell the success rate, of several their mean."""
        return f"success {mean(bench.evaluate(step) for bench in self.benches):.0%} at {step}"

    def evaluate_end(self) -> str:
        """Evaluate each at its end, and tell the success rate, of several their mean."""
        success = mean(bench.evaluate_end() for bench in self.benches)
        return f"success {success:.0%} at {self.first.run.last_step}"

    def record(self, rows: Sequence[dict[str, float]], *activities: str) -> None:
        """Keep a row of metrics each; all have the same shares of time and rates."""
        times = self.first.clock.row(*activities)
        for bench, row in zip(self.benches, rows, strict=True):
            bench.record(row | times)

    def done(self, step: int) -> None:
        """Of a step of all."""
        for bench in self.benches:
            bench.step = step

    def state(self, collectors: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
        """What the process keeps, in one file, so that no seed is ahead of another.

        Args:
            collectors: states of the benches' own, if they act.

        Raises:
            UserError: as `update`.
        """
        with self._keeping_what_diverged():
            self.updater.settle()
        states = [bench.state() for bench in self.benches]
        for state, collector in zip(states, collectors, strict=False):
            state["collector"] = collector
        return {"runs": states}
