"""Online fine-tuning: act in the simulator, learn from everything seen so far."""

from pathlib import Path
from typing import Any

from fmq.progress import progress
from fmq.runs import Run
from fmq.training.collector import Collector
from fmq.training.session import resumed
from fmq.training.workbench import Workbench


def finetune(run: Run, results: Path) -> None:
    """Run `finetune-METHOD` for its budget of environment steps, from where it stopped.

    A method without interaction makes the same updates at the same steps on the offline data
    alone. The last checkpoint is left to `fmq evaluate`.
    """
    with resumed(run, results) as (bench, kept):
        if kept is None:
            bench.learner.anchor()
        collector = None
        if run.study.method(run.kind).interacts:
            collector = Collector(bench, bench.scratch.folder / "transitions.bin")
            collector.restore(kept["collector"] if kept else None)
        _train(bench, collector)


def _train(bench: Workbench, collector: Collector | None) -> None:
    run, settings = bench.run, bench.run.study.online
    objective = bench.objective()
    bench.scratch.at_once = False

    def state() -> dict[str, Any]:
        return bench.state() | {"collector": collector.state() if collector else None}

    with progress(str(run), settings.steps - bench.step, "steps") as heartbeat:
        for step in range(bench.step + 1, settings.steps + 1):
            if bench.evaluates_after(step - 1, settings.evaluate_every):
                heartbeat.remark(f"success {bench.evaluate(step - 1):.0%} at {step - 1}")
            if collector is not None:
                collector.step()
            if step > settings.start_training and step % settings.update_every == 0:
                gradient_step = _gradient_step(run, step)
                measure = gradient_step % run.study.training.log_every == 0
                measured = bench.update(gradient_step, objective, measure)
                if measure:
                    row = {"step": step, "gradient_step": gradient_step, **measured}
                    bench.record(row | _online_metrics(bench, collector))
            heartbeat.advance()
            bench.step = step
            pause = bench.pauses_after(step, settings.evaluate_every)
            bench.scratch.keep(state, now=pause)


def _gradient_step(run: Run, step: int) -> int:
    """Gradient steps up to and with environment step `step`, offline ones included."""
    online = run.study.online
    return (
        run.study.offline.steps
        + step // online.update_every
        - (online.start_training // online.update_every)
    )


def _online_metrics(bench: Workbench, collector: Collector | None) -> dict[str, float]:
    row = {"drift": bench.drift()}
    if collector is None:
        return row | bench.clock.row("sampling", "update")
    row |= {"episodes": collector.episodes - 1, "last_success": collector.last_success}
    return row | bench.clock.row("environment", "policy", "sampling", "update")
