"""Read a RoboMimic data set for its task: demonstrations up to their first success, or whole."""

from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from fmq.base.errors import UserError
from fmq.base.hdf5 import (
    check_size,
    open_file,
    read_array,
    read_attribute,
    read_count,
    read_group,
)
from fmq.config.tasks import Task
from fmq.data.demonstration_groups import (
    VECTORS,
    Arrays,
    chosen,
    chosen_names,
    read_demonstration,
    widths_of,
)
from fmq.data.transitions import Transitions
from fmq.envs.rewards import task_reward
from fmq.envs.robosuite import read_env_args


def read_transitions(path: Path, task: Task) -> Transitions:
    """Read the demonstrations of a file, each up to and including its first success.

    Rewards are those of the file minus 1: -1 until the task is solved, then 0. The mask of a
    success is 0. A demonstration without success keeps all its steps, and its masks are all 1. One
    without steps, as an aborted recording leaves it, is passed over.

    With `demonstrations: whole`, as in the released code, every step is kept and the file's
    ``dones`` are the ends of the task: the mask is 1 - done, and no chunk goes on behind a done.
    RoboMimic's mh files set them at every success and on the last step.

    Args:
        path: an HDF5 file in RoboMimic's format, from RoboMimic, from `fmq.data.generate`, or the
            study's own.
        task: `task.reading` selects the observation parts and the demonstrations;
            `task.settings` has `demonstrations`, and `sparse_reward`, which maps non-zero rewards
            to -1.

    Raises:
        UserError: the file is missing, damaged, of another task, or made with robosuite before
            1.5.
    """
    keys, whole = task.reading.observations, task.settings.demonstrations == "whole"
    episodes = []
    for demonstration in _read_demonstrations(path, task).values():
        done = demonstration["dones" if whole else "rewards"] >= 1
        steps = len(done) if whole or not done.any() else done.argmax() + 1
        first = np.concatenate([demonstration[f"obs/{key}"][:steps] for key in keys], axis=1)
        last = np.concatenate([demonstration[f"next_obs/{key}"][steps - 1] for key in keys])
        rewards = task_reward(demonstration["rewards"][:steps] - 1, task.settings)
        observations, actions = np.vstack([first, last]), demonstration["actions"][:steps]
        episodes.append((observations, actions, rewards, done[:steps]))
    return _join(episodes)


def _join(episodes: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]) -> Transitions:
    """Concatenate episodes, each with n + 1 observations, and n actions, rewards and dones."""
    observations, actions, rewards, done = (
        np.concatenate(parts) for parts in zip(*episodes, strict=True)
    )
    lengths = np.array([len(episode[2]) for episode in episodes])
    # Each earlier episode shifts the rows by one: it has one observation more.
    rows = np.arange(len(rewards)) + np.repeat(np.arange(len(episodes)), lengths)
    terminals = done.copy()
    terminals[np.cumsum(lengths) - 1] = True
    return Transitions(
        observations=observations,
        actions=actions,
        rewards=rewards,
        masks=np.where(done, np.float32(0), np.float32(1)),
        terminals=terminals,
        rows=rows,
        next_rows=rows + 1,
    )


def check_file(path: Path, task: Task, demonstrations: int | None = None) -> None:
    """Verify that a file holds complete and usable data of a task.

    Args:
        path: the file, which may have a temporary name.
        task: the task that the file must fit.
        demonstrations: the expected number of demonstrations; None accepts any number.

    Raises:
        UserError: the file is damaged, of another task or robosuite version, or has another
            number of demonstrations.
    """
    found = len(_read_demonstrations(path, task))
    if demonstrations is not None and found != demonstrations:
        raise UserError(
            f"{path}: has {found} demonstrations, but {task.dataset} has {demonstrations}; "
            "use RoboMimic's own file"
        )


class Sample(NamedTuple):
    """A demonstration with the simulator's states.

    Attributes:
        where: the file's path and the group, for messages.
        arrays: ``actions``, ``rewards``, ``obs/KEY`` and ``next_obs/KEY``, float32.
        states: the simulator's state before each action, shape (n, S).
        model: the simulator's model as XML.
    """

    where: str
    arrays: Arrays
    states: np.ndarray
    model: str


def read_samples(path: Path, task: Task, count: int) -> list[Sample]:
    """Return up to `count` demonstrations of two steps or more, spread over those of the task.

    Raises:
        UserError: as `read_transitions`, or the states or the model are missing, or no
            demonstration is that long.
    """
    with open_file(path) as file:
        data = read_group(file, "data")
        used = list(chosen(path, file, data, task).values())
        widths = widths_of(path, used[0], task)
        groups = [group for group in used if read_count(group, "num_samples") > 1]
        if not groups:
            raise UserError(
                f"{path}: every demonstration has a single step, too short to be compared with the "
                "simulator; record longer ones"
            )
        places = np.linspace(0, len(groups) - 1, min(count, len(groups)))
        return [_sample(path, groups[place], widths) for place in np.rint(places).astype(int)]


def _sample(path: Path, group: h5py.Group, widths: dict[str, int]) -> Sample:
    arrays = read_demonstration(path, group, widths)
    states = read_array(group, "states", (len(arrays["actions"]), None))
    return Sample(f"{path}: {group.name}", arrays, states, read_attribute(group, "model_file"))


def _read_demonstrations(path: Path, task: Task) -> dict[str, Arrays]:
    """Read the task's demonstrations, ordered by number; see `read_demonstration`."""
    read_env_args(path, task.environment)
    with open_file(path) as file:
        data = read_group(file, "data")
        groups = chosen(path, file, data, task)
        widths = widths_of(path, next(iter(groups.values())), task)
        rows = sum(read_count(group, "num_samples") for group in groups.values())
        check_size(file, 2 * rows * sum(widths.values()) * np.dtype(np.float32).itemsize)
        vectors = VECTORS if task.settings.demonstrations == "whole" else VECTORS[:1]
        return {
            name: read_demonstration(path, group, widths, vectors) for name, group in groups.items()
        }


def empty_demonstrations(path: Path, task: Task) -> list[str]:
    """Return the names of the task's demonstrations without steps, which no reader uses.

    Raises:
        UserError: as `read_transitions`.
    """
    with open_file(path) as file:
        data = read_group(file, "data")
        used = chosen(path, file, data, task)
        return [name for name in chosen_names(path, file, data, task) if name not in used]
