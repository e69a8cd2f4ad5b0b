"""Online fine-tuning: act in the simulator, learn from everything seen so far."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fmq.progress import progress
from fmq.runs import Run
from fmq.training.collector import Collector
from fmq.training.lockstep import Lockstep
from fmq.training.session import State, resumed
from fmq.training.workbench import Workbench


def finetune(runs: Sequence[Run], results: Path) -> None:
    """Run `finetune-METHOD` for its budget of environment steps, from where it stopped.

    A method without interaction makes the same updates at the same steps on the offline data
    alone. Its end is evaluated.

    Args:
        runs: the same run of one seed, or of several in ascending order, in lockstep.
    """
    run = runs[0]
    with resumed(runs, results) as (benches, kept):
        if kept is None:
            for bench in benches:
                bench.learner.anchor()
        interacts = run.study.method(run.kind).interacts
        _train(benches, _collectors(benches, kept) if interacts else [])


def _collectors(benches: Sequence[Workbench], kept: Sequence[State] | None) -> list[Collector]:
    """One for each bench, as it was left."""
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
    run, settings, scratch = first.run, first.run.study.online, first.scratch
    scratch.at_once = False

    def state() -> dict[str, Any]:
        return lockstep.state([collector.state() for collector in collectors])

    with progress(lockstep.title, settings.steps - first.step, "steps") as heartbeat:
        for step in range(first.step + 1, settings.steps + 1):
            if first.evaluates_after(step - 1, settings.evaluate_every):
                heartbeat.remark(lockstep.evaluate(step - 1))
            for collector in collectors:
                collector.step()
            if step > settings.start_training and step % settings.update_every == 0:
                gradient_step = run.study.offline.steps + run.online_updates(step)
                measure = gradient_step % run.study.training.log_every == 0
                updated = lockstep.update(gradient_step, measure)
                if measure:
                    at = {"step": step, "gradient_step": gradient_step}
                    _record(lockstep, collectors, [at | measured for measured in updated])
            heartbeat.advance()
            lockstep.done(step)
            pause = first.pauses_after(step, settings.evaluate_every)
            scratch.keep(state, now=pause)
        heartbeat.remark(lockstep.evaluate_end())


def _record(
    lockstep: Lockstep, collectors: Sequence[Collector], rows: list[dict[str, float]]
) -> None:
    """Keep the rows of an update, with what only online runs have."""
    for bench, row in zip(lockstep.benches, rows, strict=True):
        row["drift"] = bench.drift()
    for collector, row in zip(collectors, rows, strict=False):  # none, if all data is offline
        row |= {"episodes": collector.episodes - 1, "last_success": collector.last_success}
    acting = ("environment", "policy") if collectors else ()
    lockstep.record(rows, *acting, "sampling", "update")
