"""The runs of one process, one per seed, which take every step together."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from statistics import mean

from fmq.acting.checkpoint import refuse_misfit, save_checkpoint
from fmq.acting.device import claim_device
from fmq.base.errors import UserError
from fmq.base.progress import Heartbeat, progress
from fmq.pipeline.runs import Run, title
from fmq.training.beside import Evaluations
from fmq.training.divergence import Divergence
from fmq.training.outputs import write_outputs
from fmq.training.scratch import Scratch, State, open_scratch
from fmq.training.shared import share
from fmq.training.trackers import make_tracker
from fmq.training.updater import Updater
from fmq.training.workbench import Workbench


class Session:
    """The runs of one process: loops go through `steps`, and call `act` and `update` in each."""

    def __init__(self, benches: Sequence[Workbench], waiting: Sequence[int] = ()) -> None:
        """Take benches that start or resume, in ascending order of seeds; see `opened`.

        Args:
            waiting: steps whose evaluations were left to be made from snapshots.
        """
        self.benches, self.first = benches, benches[0]
        self.run, self.scratch, self.clock = self.first.run, self.first.scratch, self.first.clock
        self.updater = Updater(
            [bench.learner for bench in benches],
            self.first.objective(),
            self.first.compiles,
            self.run.training.capture,
        )
        self.beside = None
        if waiting or self.run.study.evaluation.beside:
            runs = [bench.run for bench in benches]
            self.beside = Evaluations(runs, self.first.results, self.scratch.folder)
            for step in waiting:
                self.beside.ask(step)

    def close(self) -> None:
        """Stop the evaluations that are still made beside the training."""
        if self.beside is not None:
            self.beside.close()

    def steps(self, unit: str) -> Iterator[int]:
        """Yield every step that is left; evaluate and save the progress in between, and at the end.

        Args:
            unit: what is counted, for progress lines.
        """
        last, name = self.run.last_step, title([bench.run for bench in self.benches])
        self.scratch.at_once = False
        with progress(name, last - self.first.step, unit) as heartbeat:
            for step in range(self.first.step + 1, last + 1):
                if self.first.evaluates_after(step - 1):
                    self._evaluate(step - 1, heartbeat)
                yield step
                heartbeat.advance()
                self._collect(heartbeat)
                for bench in self.benches:
                    bench.step = step
                pauses = step == last or self.first.evaluates_after(step)
                if self.scratch.keep(self._state, now=pauses) and self.beside is not None:
                    self.beside.forget()
            if self.run.scored:
                self._evaluate(last, heartbeat)
            with self.scratch.nothing_to_lose():
                self._collect(heartbeat, wait=True)

    def act(self) -> None:
        """Take an environment step with every policy, if the runs act.

        All simulators have their next chunk before the first is waited for.
        """
        collectors = [bench.collector for bench in self.benches if bench.collector is not None]
        for collector in collectors:
            collector.begin()
        for collector in collectors:
            collector.step()

    def update(self, step: int, measure: bool) -> list[dict[str, float]]:
        """Sample a batch per bench and update all; with `measure`, return the metrics of each.

        Args:
            step: gradient step, counted from the start of offline training.

        Raises:
            UserError: training diverged for a seed, which the message names. Its batch is kept
                beside the last good progress.
        """
        batches = [bench.sample() for bench in self.benches]
        with self.clock.measure("update", len(batches)), self._keeping_what_diverged():
            return self.updater.update(batches, step, measure)

    def record(self, rows: Sequence[dict[str, float]], *activities: str) -> None:
        """Record a row of metrics per bench; shares of time and rates are the same for all."""
        times = self.clock.row(*activities)
        for bench, row in zip(self.benches, rows, strict=True):
            bench.record(row | times)

    def _evaluate(self, step: int, heartbeat: Heartbeat) -> None:
        """Evaluate every bench after a step, or ask for it to be done beside the training."""
        if self.beside is None:
            _remark(heartbeat, step, [bench.evaluate(step) for bench in self.benches])
            return
        with self.clock.stopped():
            self.beside.save(step, [bench.learner for bench in self.benches])
            self.beside.ask(step)

    def _collect(self, heartbeat: Heartbeat, wait: bool = False) -> None:
        """Keep the episodes of evaluations that are done; with `wait`, of all."""
        for step, episodes in self.beside.finished(wait) if self.beside is not None else ():
            pairs = zip(self.benches, episodes, strict=True)
            _remark(heartbeat, step, [bench.keep(step, rows) for bench, rows in pairs])

    def _state(self) -> State:
        """Return the progress of all benches for one file, so that no seed is ahead of another."""
        with self._keeping_what_diverged():
            self.updater.settle()
        waiting = list(self.beside.waiting) if self.beside is not None else []
        return {"runs": [bench.state() for bench in self.benches], "waiting": waiting}

    @contextmanager
    def _keeping_what_diverged(self) -> Iterator[None]:
        try:
            yield
        except Divergence as error:
            kept = self.scratch.folder / "diverged.pt"
            with suppress(OSError):  # the divergence matters more than a failed write
                save_checkpoint(kept, self.scratch.settings, error.batch._asdict())
            raise UserError(
                f"{self.benches[error.learner].run}: {error} at gradient step {error.step}; its "
                f"batch is in {kept}; lower learning_rate or target_rate"
            ) from None


def _remark(heartbeat: Heartbeat, step: int, rates: Sequence[float]) -> None:
    heartbeat.remark(f"success {mean(rates):.0%} at {step}")


def _restore(benches: Sequence[Workbench], scratch: Scratch) -> list[int]:
    """Continue from the saved progress, if there is any.

    Returns the steps whose evaluations were left to be made from snapshots.
    """
    kept = scratch.load(benches[0].device)
    if kept is None:
        return []
    with refuse_misfit(scratch.progress, scratch.remedy):
        for bench, state in zip(benches, kept["runs"], strict=True):
            bench.restore(state)
        return [int(step) for step in kept.get("waiting", [])]


@contextmanager
def opened(runs: Sequence[Run], results: Path) -> Iterator[Session]:
    """Yield runs as they were left, and write their outputs if the block ends without an error.

    Args:
        runs: the same run for one seed, or for several in ascending order.

    Raises:
        UserError: another process is working on one of the runs, or its data or parent do not fit.
        Preempted: SIGTERM was received.
    """
    with open_scratch(runs, results) as scratch:
        trackers = [make_tracker(run, results) for run in runs]  # fails before waiting for a device
        claim = claim_device(runs[0].study)  # held until the block ends
        shared = share(runs[0], results, scratch, claim.device, len(runs))
        with closing(shared.evaluator), ExitStack() as opened_benches:
            benches = [
                opened_benches.enter_context(closing(Workbench(run, shared, tracker)))
                for run, tracker in zip(runs, trackers, strict=True)
            ]
            waiting = _restore(benches, scratch)
            session = opened_benches.enter_context(closing(Session(benches, waiting)))
            del shared  # the transitions, of which each bench has a copy
            yield session
        for bench in benches:
            write_outputs(bench, [run.seed for run in runs])
