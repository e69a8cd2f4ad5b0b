"""Tell what a data set holds for the tasks that learn from it."""

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from fmq.config.tasks import Task
from fmq.data import ogbench, robomimic
from fmq.data.transitions import Transitions


def tell_content(path: Path, tasks: Iterable[Task]) -> None:
    """Print on standard error what a training file holds for each task, one line per task.

    Data without any success are told of and not refused: online training can find rewards that
    data of exploration have not, and a study may be about just that.

    Raises:
        UserError: a task cannot read the file; see the readers' `read_transitions`.
    """
    for task in tasks:
        told = _demonstrations(path, task) if task.suite == "robomimic" else _episodes(path, task)
        print(f"{task.name}: {told}", file=sys.stderr)


def _demonstrations(path: Path, task: Task) -> str:
    cut = task.settings.model_copy(update={"demonstrations": "first_success"})
    data = robomimic.read_transitions(path, replace(task, settings=cut))
    solved = int((data.masks == 0).sum())
    told = f"{int(data.terminals.sum())} demonstrations, {len(data.actions)} steps, {solved} solved"
    return told if solved else f"{told}: no reward to learn from"


def _episodes(path: Path, task: Task) -> str:
    data: Transitions = ogbench.read_transitions(path, task)
    solved = int((data.masks == 0).sum())
    told = (
        f"{int(data.terminals.sum())} episodes, {len(data.actions)} steps, {solved} of them from "
        f"states at the goal, rewards {data.rewards.min():g} to {data.rewards.max():g}"
    )
    if other := ogbench.count_other_rewards(path, task):
        told += f", {other} of the file's own are not those that OGBench computes for the task"
    return told if solved else f"{told}: no success to learn from"
