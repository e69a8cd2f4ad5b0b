"""Read a RoboMimic data set for its task: demonstrations up to their first success, or whole."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from fmq.base.errors import UserError
from fmq.base.hdf5 import (
    OTHER_FORMAT,
    check_size,
    open_file,
    read_array,
    read_attribute,
    read_group,
    read_names,
)
from fmq.base.messages import one_line
from fmq.config.tasks import Task
from fmq.data.transitions import Transitions, bad_row
from fmq.envs.rewards import task_reward
from fmq.envs.robosuite import read_env_args

_VECTORS = ("rewards", "dones")
"""Arrays with one number per step; ``dones`` is only read where demonstrations are kept whole."""

Arrays = dict[str, np.ndarray]


def read_transitions(path: Path, task: Task) -> Transitions:
    """Read the demonstrations of a file, each up to and including its first success.

    Rewards are those of the file minus 1: -1 until the task is solved, then 0. The mask of a
    success is 0. A demonstration without success keeps all its steps, and its masks are all 1.

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


class First(NamedTuple):
    """The first demonstration that a task uses.

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


def read_first(path: Path, task: Task) -> First:
    """Return the first demonstration that the task uses.

    Raises:
        UserError: as `read_transitions`, or the states or the model are missing.
    """
    with open_file(path) as file:
        data = read_group(file, "data")
        name = _chosen_names(path, file, data, task)[0]
        group = read_group(data, name)
        arrays = _read_demonstration(path, group, _widths(path, group, task))
        states = read_array(group, "states", (None, None))
        return First(f"{path}: {group.name}", arrays, states, read_attribute(group, "model_file"))


def _read_demonstrations(path: Path, task: Task) -> dict[str, Arrays]:
    """Read the task's demonstrations, ordered by number; see `_read_demonstration`."""
    read_env_args(path, task.environment)
    with open_file(path) as file:
        data = read_group(file, "data")
        groups = {name: read_group(data, name) for name in _chosen_names(path, file, data, task)}
        widths = _widths(path, next(iter(groups.values())), task)
        rows = sum(map(_steps, groups.values()))
        check_size(file, 2 * rows * sum(widths.values()) * np.dtype(np.float32).itemsize)
        vectors = _VECTORS if task.settings.demonstrations == "whole" else _VECTORS[:1]
        return {
            name: _read_demonstration(path, group, widths, vectors)
            for name, group in groups.items()
        }


def _chosen_names(path: Path, file: h5py.File, data: h5py.Group, task: Task) -> list[str]:
    """Return the names of the demonstrations that the task uses, ordered by number."""
    names = _demonstration_names(path, data)
    if task.reading.mask is None:
        return names
    listed = read_names(read_group(file, "mask"), task.reading.mask)
    for name in listed:
        if name not in names:
            raise UserError(
                f"{path}: /mask/{task.reading.mask} lists {one_line(name, 80)}, which /data does "
                f"not have; {OTHER_FORMAT}"
            )
    return [name for name in names if name in set(listed)]


def _demonstration_names(path: Path, data: h5py.Group) -> list[str]:
    """Return ``demo_0``, ``demo_1``, ... by number; HDF5 lists ``demo_10`` before ``demo_2``."""
    numbers = {}
    for name in data:
        match = re.fullmatch(r"demo_(\d{1,9})", name, re.ASCII)
        if match is None:
            raise UserError(
                f"{path}: /data/{one_line(name)} is not a demonstration; allowed are demo_0, "
                f"demo_1 and so on; {OTHER_FORMAT}"
            )
        numbers[name] = int(match[1])
    if not numbers:
        raise UserError(f"{path}: /data has no demonstration; make or download the file again")
    return sorted(numbers, key=numbers.__getitem__)


def _widths(path: Path, group: h5py.Group, task: Task) -> dict[str, int]:
    """Return the numbers per step of ``actions`` and of each ``obs/KEY`` in `group`.

    Raises:
        UserError: one is missing, or does not have one row of numbers per step.
    """
    observations = read_group(group, "obs")
    for key in task.reading.observations:
        if key not in observations.keys():  # noqa: SIM118  a group's own `in` follows links
            there = ", ".join(one_line(name, 80) for name in observations)
            raise UserError(
                f"{path}: {observations.name}/{key} is missing; there are {one_line(there)}: list "
                f"those to read under datasets.{task.dataset}.observations"
            )
    steps = _steps(group)
    shape = (steps, None)
    widths = {"actions": read_array(group, "actions", shape).shape[1]}
    return widths | {
        f"obs/{key}": read_array(observations, key, shape).shape[1]
        for key in task.reading.observations
    }


def _read_demonstration(
    path: Path, group: h5py.Group, widths: dict[str, int], vectors: Sequence[str] = _VECTORS[:1]
) -> Arrays:
    """Read ``actions``, vectors, and each ``obs/KEY`` and ``next_obs/KEY`` as float32.

    Args:
        widths: as returned by `_widths`.
        vectors: those of `_VECTORS` to read.

    Raises:
        UserError: one of them is missing, has another shape, or holds an invalid value.
    """
    steps = _steps(group)
    arrays = {"actions": read_array(group, "actions", (steps, widths["actions"]))}
    arrays |= {name: read_array(group, name, (steps,)) for name in vectors}
    for part in ("obs", "next_obs"):
        observations = read_group(group, part)
        for name, width in widths.items():
            if name != "actions":
                key = name.removeprefix("obs/")
                arrays[f"{part}/{key}"] = read_array(observations, key, (steps, width))
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite and is rejected below
        arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    _check(f"{path}: {group.name}", arrays)
    return arrays


def _steps(group: h5py.Group) -> int:
    steps = read_attribute(group, "num_samples")
    return int(steps) if isinstance(steps, np.integer) else 0


def _check(where: str, arrays: Arrays) -> None:
    """Raise `UserError` unless all numbers are finite, rewards in [0, 1] and dones 0 or 1."""
    for name, array in arrays.items():
        if (bad := bad_row(array)) is not None:
            raise UserError(
                f"{where}/{name} has a value that is not finite in row {bad}; "
                "make or download the file again"
            )
    rewards = arrays["rewards"]
    wrong = np.flatnonzero((rewards < 0) | (rewards > 1))
    if len(wrong):
        raise UserError(
            f"{where}/rewards has {rewards[wrong[0]]} in row {wrong[0]}, allowed is 0 to 1 "
            "(success); use a file with robosuite's sparse rewards"
        )
    dones = arrays.get("dones", rewards[:0])
    wrong = np.flatnonzero((dones != 0) & (dones != 1))
    if len(wrong):
        raise UserError(
            f"{where}/dones has {dones[wrong[0]]} in row {wrong[0]}, allowed are 0 and 1; "
            "make or download the file again"
        )
