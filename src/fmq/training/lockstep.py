"""The workbenches of one process, each with its own seed, that make the same step together."""

from collections.abc import Sequence
from statistics import mean
from typing import Any

from fmq.runs import Run
from fmq.training.update import Objective
from fmq.training.workbench import Workbench


def title(runs: Sequence[Run]) -> str:
    """What is told of the same run of one seed or of several."""
    first, *others = runs
    if not others:
        return str(first)
    seeds = ", ".join(str(run.seed) for run in runs)
    return f"{first.name} {first.task.name} seeds {seeds}"


def update_together(
    benches: Sequence[Workbench], step: int, objective: Objective, measure: bool
) -> list[dict[str, float]]:
    """One update of each; with `measure`, their metrics.

    Raises:
        UserError: training of one diverged; its seed is named.
    """
    return [bench.update(step, objective, measure) for bench in benches]


def evaluate_together(benches: Sequence[Workbench], step: int) -> str:
    """Evaluate each, and tell the success rate, of several their mean."""
    return f"success {mean(bench.evaluate(step) for bench in benches):.0%} at {step}"


def record_together(
    benches: Sequence[Workbench], rows: Sequence[dict[str, float]], *activities: str
) -> None:
    """Keep a row of metrics each; all have the same shares of time and rates."""
    times = benches[0].clock.row(*activities)
    for bench, row in zip(benches, rows, strict=True):
        bench.record(row | times)


def state_together(
    benches: Sequence[Workbench], collectors: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """What the process keeps, in one file, so that no seed is ahead of another.

    Args:
        collectors: states of the benches' own, if they act.
    """
    states = [bench.state() for bench in benches]
    for state, collector in zip(states, collectors, strict=False):
        state["collector"] = collector
    return {"runs": states}
