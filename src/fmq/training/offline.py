"""Offline training: `pretrain` on the diagonal, `distill` into a flow map."""

from pathlib import Path

from fmq.progress import progress
from fmq.runs import Run
from fmq.training.session import resumed
from fmq.training.workbench import Workbench


def train_offline(run: Run, results: Path) -> None:
    """Run `pretrain-BUDGET` or `distill-KIND` to its last gradient step, from where it stopped.

    Steps count from the start of pre-training, so that distillation goes on where the warm-up
    stopped. The last checkpoint is left to `fmq evaluate`.
    """
    with resumed(run, results) as (bench, _):
        _train(bench)


def _train(bench: Workbench) -> None:
    run, settings = bench.run, bench.run.study.offline
    objective = bench.objective()
    log_every = run.study.training.log_every
    bench.scratch.at_once = False
    with progress(str(run), run.last_step - bench.step, "updates") as heartbeat:
        for step in range(bench.step + 1, run.last_step + 1):
            if bench.evaluates_after(step - 1, settings.evaluate_every):
                heartbeat.remark(f"success {bench.evaluate(step - 1):.0%} at {step - 1}")
            measure = step % log_every == 0 or step == run.last_step
            measured = bench.update(step, objective, measure)
            heartbeat.advance()
            if measure:
                bench.record({"step": step, **measured, **bench.clock.row("sampling", "update")})
            bench.step = step
            pause = bench.pauses_after(step, settings.evaluate_every)
            bench.scratch.keep(bench.state, now=pause)
