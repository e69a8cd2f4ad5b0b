"""Episodes of an exported policy in its task's simulator."""

from collections.abc import Iterator
from pathlib import Path

from fmq import paths
from fmq.datasets import training_file
from fmq.envs.environment import Environment, make_environment
from fmq.envs.rollout import Episode, rollout
from fmq.envs.simulators import LocalSimulators
from fmq.errors import UserError
from fmq.export.card import Card, read_card
from fmq.policy import Policy
from fmq.seeding import derive_seed
from fmq.tasks import Task


def play(
    folder: Path, sampler: str | None, episodes: int, seed: int, results: Path
) -> Iterator[Episode]:
    """Run episodes one after the other.

    Args:
        sampler: the policy's own if None.
        seed: of the episodes' starts and of the policy's noise.
        results: has the data set of a RoboMimic task, whose file says how its simulator is made.

    Raises:
        UserError: the folder is no policy, or the simulator does not fit it or cannot be made.
    """
    card = read_card(folder)
    policy = Policy.load(folder, sampler, seed)
    environment = _simulator(card.parsed_task(), results)
    starts = [derive_seed(seed, card.task, "play", number) for number in range(episodes)]
    _refuse_misfit(folder, card, environment, starts[0])
    for start in starts:
        yield from rollout(LocalSimulators([environment]), policy.act, [start])


def summary(episodes: list[Episode]) -> str:
    """Success rate, and mean return and length, on one line."""
    count = len(episodes)
    success, return_, length = (sum(column) / count for column in zip(*episodes, strict=True))
    return f"mean of {count}: success {success:.1%}, return {return_:.1f}, length {length:.1f}"


def _simulator(task: Task, results: Path) -> Environment:
    data = paths.dataset_folder(results, task.dataset)
    file = data / training_file(task.dataset)
    if task.suite == "robomimic" and not file.is_file():
        raise UserError(
            f"{file}: not there, and only this file says how the simulator of {task.name} is made; "
            "name the results folder that has it with --results"
        )
    return make_environment(task, data)


def _refuse_misfit(folder: Path, card: Card, environment: Environment, start: int) -> None:
    found = len(environment.reset(start)), environment.action_size
    expected = card.observation_size, card.action_size
    if found != expected:
        raise UserError(
            f"{folder}: a policy for observations of {expected[0]} and actions of {expected[1]} "
            f"numbers; {card.task} has {found[0]} and {found[1]}: it is of another task, or its "
            "chunks have another length"
        )
