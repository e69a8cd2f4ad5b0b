"""The task of a policy folder, and its simulator."""

from pathlib import Path

from pydantic import ValidationError

from fmq.base.errors import UserError
from fmq.base.messages import one_line
from fmq.config.datasets import training_file
from fmq.config.section import describe
from fmq.config.tasks import Reading, Task, TaskSettings, parse_task
from fmq.data.manifest import find_datasets
from fmq.envs.environment import Environment
from fmq.export.card import CARD, REMEDY, Card


def task_of(folder: Path, card: Card) -> Task:
    """Return the task that a policy acts in.

    Raises:
        UserError: there is no such task, or its settings do not fit.
    """
    read, reading = card.dataset or {}, None
    try:
        settings = TaskSettings.model_validate(card.task_settings)
        if read.get("source") == "file":  # the user's own file, which says what is observed
            known = {key: read[key] for key in Reading.model_fields if key in read}
            reading = Reading.model_validate(known)
        return parse_task(card.task, settings, reading)
    except ValidationError as error:
        told = f"task_settings: {one_line(describe(error, TaskSettings))}"
    except UserError as error:
        told = one_line(str(error))
    raise UserError(f"{folder / CARD}: {told}; {REMEDY}")


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
    known = (card.dataset or {}).get("files", {}).get(file)
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
