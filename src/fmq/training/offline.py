"""Offline training: `pretrain` on the diagonal, `distill` into a flow map."""

import time
from pathlib import Path

from fmq.progress import progress
from fmq.runs import Run
from fmq.training.workbench import Workbench

ACTOR_LOSS = {"pretrain": "diagonal", "distill": "flow_map"}


def train_offline(run: Run, results: Path) -> None:
    """Run `pretrain-BUDGET` or `distill-KIND` from its first gradient step to its last.

    Steps count from the start of pre-training, so that distillation goes on where the warm-up
    stopped. The last checkpoint is left to `fmq evaluate`.
    """
    bench = Workbench(run, results)
    settings = run.study.offline
    objective = bench.objective(ACTOR_LOSS[run.stage])
    first = run.parent.last_step if run.parent else 0
    log_every = run.study.training.log_every
    clock, updates = time.monotonic(), 0
    with progress(str(run), run.last_step - first, "updates") as heartbeat:
        for step in range(first + 1, run.last_step + 1):
            measure = step % log_every == 0 or step == run.last_step
            measured = bench.update(step, objective, measure)
            updates += 1
            heartbeat.advance()
            if measure:
                rate = updates / (time.monotonic() - clock)
                bench.metrics.append({"step": step, **measured, "updates_per_second": rate})
                clock, updates = time.monotonic(), 0
            if step % settings.evaluate_every == 0 and step < run.last_step:
                paused = time.monotonic()
                heartbeat.remark(f"success {bench.evaluate(step):.0%} at {step}")
                clock += time.monotonic() - paused
    bench.finish()
