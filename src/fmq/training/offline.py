"""Offline training: `pretrain` on the diagonal, `distill` into a flow map."""

from collections.abc import Sequence
from pathlib import Path

from fmq.progress import progress
from fmq.runs import Run
from fmq.training.lockstep import Lockstep
from fmq.training.session import resumed
from fmq.training.workbench import Workbench


def train_offline(runs: Sequence[Run], results: Path) -> None:
    """Run `pretrain-BUDGET` or `distill-KIND` to its last gradient step, from where it stopped.

    Steps count from the start of pre-training, so that distillation goes on where the warm-up
    stopped. Its end is evaluated.

    Args:
        runs: the same run of one seed, or of several in ascending order, in lockstep.
    """
    with resumed(runs, results) as (benches, _):
        _train(benches)


def _train(benches: Sequence[Workbench]) -> None:
    lockstep = Lockstep(benches)
    first = lockstep.first
    run, settings, scratch = first.run, first.run.study.offline, first.scratch
    log_every = run.study.training.log_every
    scratch.at_once = False
    with progress(lockstep.title, run.last_step - first.step, "updates") as heartbeat:
        for step in range(first.step + 1, run.last_step + 1):
            if first.evaluates_after(step - 1, settings.evaluate_every):
                heartbeat.remark(lockstep.evaluate(step - 1))
            measure = step % log_every == 0 or step == run.last_step
            updated = lockstep.update(step, measure)
            heartbeat.advance()
            if measure:
                rows = [{"step": step, **measured} for measured in updated]
                lockstep.record(rows, "sampling", "update")
            lockstep.done(step)
            pause = first.pauses_after(step, settings.evaluate_every)
            scratch.keep(lockstep.state, now=pause)
        if run.scored:
            heartbeat.remark(lockstep.evaluate_end())
