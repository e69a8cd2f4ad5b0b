"""Run episodes of an exported policy in its task's simulator."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fmq.base.errors import UserError
from fmq.base.seeding import derive_seed
from fmq.config.datasets import training_file
from fmq.config.tasks import Task
from fmq.data.manifest import find_datasets
from fmq.envs.environment import Environment
from fmq.envs.making import make_environment
from fmq.envs.rollout import Episode, rollout
from fmq.envs.simulators import LocalSimulators
from fmq.export.card import read_card
from fmq.export.loading import load_exported, refuse_other_task


def play(
    folder: Path, sampler: str | None, episodes: int, seed: int, results: Path
) -> Iterator[Episode]:
    """Run episodes one after the other and yield each result.

    Args:
        folder: the policy folder.
        sampler: the name of a sampler; None takes the policy's own.
        episodes: number of episodes.
        seed: the seed of the episodes' starts and of the policy's noise.
        results: the results folder with the data set of a RoboMimic task, whose file holds the
            settings of its simulator.

    Raises:
        UserError: the folder is not a policy, or the simulator does not fit it or cannot be made.
    """
    card = read_card(folder)
    policy = load_exported(folder, sampler, seed)
    environment = _simulator(card.parsed_task(), card.dataset, results)
    starts = [derive_seed(seed, card.task, "play", number) for number in range(episodes)]
    sizes = card.observation_size, card.action_size
    refuse_other_task(folder, sizes, card.task, environment, starts[0])
    for start in starts:
        yield from rollout(LocalSimulators([environment]), policy.act, [start])


def summary(episodes: list[Episode]) -> str:
    """Return success rate, mean return and mean length, on one line."""
    count = len(episodes)
    success, return_, length = (sum(column) / count for column in zip(*episodes, strict=True))
    return f"mean of {count}: success {success:.1%}, return {return_:.1f}, length {length:.1f}"


def _simulator(task: Task, learned_from: dict[str, Any] | None, results: Path) -> Environment:
    if task.suite != "robomimic":
        return make_environment(task, results)  # OGBench needs no data file
    file = training_file(task.dataset)
    known = (learned_from or {}).get("files", {}).get(file)
    found = list(find_datasets(task.dataset, results))
    # Any data set will do if the card does not name one, or that one is not here.
    matching = [folder for folder, digests in found if digests.get(file) == known]
    if not found:
        raise UserError(
            f"{results / 'datasets'}: no {file} below it, and only this file says how to make the "
            f"simulator of {task.name}; name the results folder that has it with --results"
        )
    return make_environment(task, [*matching, *(folder for folder, _ in found)][0])
