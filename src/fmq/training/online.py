"""Online fine-tuning: act in the simulator, and learn from all data seen so far."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fmq.base.progress import progress
from fmq.pipeline.runs import Run
from fmq.training.collector import Collector
from fmq.training.lockstep import Lockstep
from fmq.training.session import State, resumed
from fmq.training.workbench import Workbench


def finetune(runs: Sequence[Run], results: Path) -> None:
    """Run `finetune-METHOD` for its budget of environment steps, from where it stopped.

    A method without interaction makes the same updates at the same steps on the offline data alone.
    The final policy is evaluated.

    Args:
        runs: the same run for one seed, or for several in ascending order, trained in lockstep.
    """
    run = runs[0]
    with resumed(runs, results) as (benches, kept):
        if kept is None:
            for bench in benches:
                bench.learner.anchor()
        interacts = run.online.interacts
        _train(benches, _collectors(benches, kept) if interacts else [])


def _collectors(benches: Sequence[Workbench], kept: Sequence[State] | None) -> list[Collector]:
    """Return a collector for each bench, restored to where it was left."""
    collectors = []
    for number, bench in enumerate(benches):
        name = "transitions.bin" if len(benches) == 1 else f"transitions-seed{bench.run.seed}.bin"
        collector = Collector(bench, bench.scratch.folder / name)
        collector.restore(kept[number]["collector"] if kept else None)
        collectors.append(collector)
    return collectors


def _train(benches: Sequence[Workbench], collectors: Sequence[Collector]) -> None:
    lockstep = Lockstep(benches)
    first = lockstep.first
    run, stage, scratch = first.run, first.run.online, first.scratch
    scratch.at_once = False

    def state() -> dict[str, Any]:
        return lockstep.state([collector.state() for collector in collectors])

    with progress(lockstep.title, stage.last - first.step, "steps") as heartbeat:
        for step in range(first.step + 1, stage.last + 1):
            if first.evaluates_after(step - 1, stage.evaluate_every):
                heartbeat.remark(lockstep.evaluate(step - 1))
            for collector in collectors:
                collector.step()
            if step > stage.start_training and step % stage.update_every == 0:
                gradient_step = stage.first_update + stage.updates(step)
                measure = gradient_step % run.training.log_every == 0
                updated = lockstep.update(gradient_step, measure)
                if measure:
                    at = {"step": step, "gradient_step": gradient_step}
                    _record(lockstep, collectors, [at | measured for measured in updated])
            heartbeat.advance()
            lockstep.done(step)
            pause = first.pauses_after(step, stage.evaluate_every)
            scratch.keep(state, now=pause)
        heartbeat.remark(lockstep.evaluate_end())


def _record(
    lockstep: Lockstep, collectors: Sequence[Collector], rows: list[dict[str, float]]
) -> None:
    """Record the rows of an update, with the columns that only online runs have."""
    for bench, row in zip(lockstep.benches, rows, strict=True):
        row["drift"] = bench.drift()
    for collector, row in zip(collectors, rows, strict=False):  # empty without interaction
        row |= {"episodes": collector.episodes - 1, "last_success": collector.last_success}
    acting = ("environment", "policy") if collectors else ()
    lockstep.record(rows, *acting, "sampling", "update")
