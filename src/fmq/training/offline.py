"""Offline training: `pretrain` trains the diagonal, `distill` turns it into a flow map."""

from collections.abc import Sequence
from pathlib import Path

from fmq.base.progress import progress
from fmq.pipeline.runs import Run
from fmq.training.lockstep import Lockstep
from fmq.training.session import resumed
from fmq.training.workbench import Workbench


def train_offline(runs: Sequence[Run], results: Path) -> None:
    """Run `pretrain-BUDGET` or `distill-KIND` to its last gradient step, from where it stopped.

    Steps count from the start of pre-training, so distillation continues where the warm-up stopped.
    The final policy is evaluated if the run is scored.

    Args:
        runs: the same run for one seed, or for several in ascending order, trained in lockstep.
    """
    with resumed(runs, results) as (benches, _):
        _train(benches)


def _train(benches: Sequence[Workbench]) -> None:
    lockstep = Lockstep(benches)
    first = lockstep.first
    run, scratch = first.run, first.scratch
    stage, log_every = run.offline, run.training.log_every
    scratch.at_once = False
    with progress(lockstep.title, stage.last - first.step, "updates") as heartbeat:
        for step in range(first.step + 1, stage.last + 1):
            if first.evaluates_after(step - 1, stage.evaluate_every):
                heartbeat.remark(lockstep.evaluate(step - 1))
            measure = step % log_every == 0 or step == stage.last
            updated = lockstep.update(step, measure)
            heartbeat.advance()
            if measure:
                rows = [{"step": step, **measured} for measured in updated]
                lockstep.record(rows, "sampling", "update")
            lockstep.done(step)
            pause = first.pauses_after(step, stage.evaluate_every)
            scratch.keep(lockstep.state, now=pause)
        if run.scored:
            heartbeat.remark(lockstep.evaluate_end())
