"""The task of a policy folder, and its simulator."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from fmq.base.errors import UserError
from fmq.base.messages import one_line
from fmq.config.datasets import training_file
from fmq.config.section import Section, describe
from fmq.config.tasks import Reading, Task, TaskSettings, parse_task
from fmq.data.manifest import find_datasets
from fmq.envs.environment import Environment
from fmq.export.card import CARD, REMEDY, Card

T = TypeVar("T", bound=Section)


def task_of(folder: Path, card: Card) -> Task:
    """Return the task that a policy acts in.

    Raises:
        UserError: there is no such task, or its settings do not fit.
    """
    read = card.dataset or {}
    try:
        settings = _section(TaskSettings, card.task_settings, "task_settings")
        reading = None
        if read.get("source") == "file":  # the user's own file, which says what is observed
            known = {key: read[key] for key in Reading.model_fields if key in read}
            reading = _section(Reading, known, "dataset")
        return parse_task(card.task, settings, reading)
    except UserError as error:
        raise UserError(f"{folder / CARD}: {one_line(str(error))}; {REMEDY}") from None


def _section(kind: type[T], values: dict[str, Any], place: str) -> T:
    """Return a section of settings; raise `UserError` if the values do not fit."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{place}: {describe(error, kind)}") from None


def data_folder_of(card: Card, task: Task, results: Path) -> Path:
    """Return the folder of a data set that says how to make the simulator of a policy's task.

    OGBench's simulators need none. For RoboMimic, it is the data set that the policy learned from
    or, if the card does not name it or it is not here, any other of its name.

    Raises:
        UserError: there is none below the results folder.
    """
    if task.suite != "robomimic":
        return results
    file = training_file(task.dataset)
    files = (card.dataset or {}).get("files")
    known = files.get(file) if isinstance(files, dict) else None
    found = list(find_datasets(task.dataset, results))
    matching = [folder for folder, digests in found if digests.get(file) == known]
    if not found:
        raise UserError(
            f"{results / 'datasets'}: no {file} below it, and only this file says how to make the "
            f"simulator of {task.name}; name the results folder that has it with --results"
        )
    return [*matching, *(folder for folder, _ in found)][0]


def refuse_other_task(
    path: Path, sizes: tuple[int, int], task: str, environment: Environment, start: int
) -> None:
    """Raise `UserError` unless a policy fits a simulator.

    Args:
        path: where the policy comes from, for the message.
        sizes: O and A of the policy.
        task: the name of the simulator's task.
        environment: the simulator.
        start: the seed of the episode that is started to see an observation.
    """
    found = len(environment.reset(start)), environment.action_size
    if found != sizes:
        raise UserError(
            f"{path}: a policy for observations of {sizes[0]} and actions of {sizes[1]} numbers; "
            f"{task} has {found[0]} and {found[1]}: it is of another task, or its chunks have "
            "another length"
        )
