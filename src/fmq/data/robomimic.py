"""Read a RoboMimic data set for its task: demonstrations cut at their first success."""

import re
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from fmq.data.hdf5 import (
    OTHER_FORMAT,
    check_size,
    open_file,
    read_array,
    read_attribute,
    read_group,
    read_names,
)
from fmq.data.transitions import Transitions
from fmq.envs.robosuite import read_env_args
from fmq.errors import UserError
from fmq.messages import one_line
from fmq.tasks import Task

Arrays = dict[str, np.ndarray]


def read_transitions(path: Path, task: Task) -> Transitions:
    """Read the demonstrations of a file, each up to and with its first success.

    Rewards are those of the file minus 1: -1 until the task is solved, 0 then. The mask of a
    success is 0. A demonstration without success keeps all its steps, and mask 1 to the end.

    Args:
        path: an HDF5 file in RoboMimic's format, from RoboMimic, from `fmq.data.generate`, or of
            the study's own.
        task: `task.reading` tells the parts of an observation and the demonstrations;
            `task.settings.sparse_reward` maps non-zero rewards to -1.

    Raises:
        UserError: the file is missing, damaged, of another task, or of robosuite before 1.5.
    """
    keys = task.reading.observations
    episodes = []
    for demonstration in _read_demonstrations(path, task).values():
        solved = np.flatnonzero(demonstration["rewards"] >= 1)
        steps = solved[0] + 1 if len(solved) else len(demonstration["rewards"])
        first = np.concatenate([demonstration[f"obs/{key}"][:steps] for key in keys], axis=1)
        last = np.concatenate([demonstration[f"next_obs/{key}"][steps - 1] for key in keys])
        rewards = demonstration["rewards"][:steps] - 1
        if task.settings.sparse_reward:
            rewards[rewards != 0] = -1
        episodes.append((np.vstack([first, last]), demonstration["actions"][:steps], rewards))
    return _join(episodes)


def _join(episodes: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Transitions:
    """One after the other; each brings n + 1 observations, n actions and n rewards."""
    observations, actions, rewards = (
        np.concatenate(parts) for parts in zip(*episodes, strict=True)
    )
    lengths = np.array([len(episode[2]) for episode in episodes])
    # Every episode before a transition has one observation more than it has transitions.
    rows = np.arange(len(rewards)) + np.repeat(np.arange(len(episodes)), lengths)
    terminals = np.zeros(len(rewards), bool)
    terminals[np.cumsum(lengths) - 1] = True
    return Transitions(
        observations=observations,
        actions=actions,
        rewards=rewards,
        masks=np.where(rewards >= 0, np.float32(0), np.float32(1)),
        terminals=terminals,
        rows=rows,
        next_rows=rows + 1,
    )


def check_file(path: Path, task: Task, demonstrations: int | None = None) -> None:
    """Verify that a file holds the data of a task, whole and usable.

    Args:
        path: the file, whatever it is called while it is on its way.
        demonstrations: how many there have to be; None accepts any number.

    Raises:
        UserError: it is damaged, of another task or robosuite, or has another number.
    """
    found = len(_read_demonstrations(path, task))
    if demonstrations is not None and found != demonstrations:
        raise UserError(
            f"{path}: has {found} demonstrations, but {task.dataset} has {demonstrations}; "
            "take RoboMimic's own file"
        )


class First(NamedTuple):
    """The first demonstration that a task uses.

    Attributes:
        where: its path and group, for messages.
        arrays: ``actions``, ``rewards``, ``obs/KEY`` and ``next_obs/KEY``, float32.
        states: of the simulator before each action, (n, S).
        model: of the simulator, as XML.
    """

    where: str
    arrays: Arrays
    states: np.ndarray
    model: str


def read_first(path: Path, task: Task) -> First:
    """The first demonstration; `UserError` as `read_transitions`, or without states or model."""
    with open_file(path) as file:
        data = read_group(file, "data")
        name = _chosen_names(path, file, data, task)[0]
        group = read_group(data, name)
        arrays = _read_demonstration(path, group, _widths(path, group, task))
        states = read_array(group, "states", (None, None))
        return First(f"{path}: {group.name}", arrays, states, read_attribute(group, "model_file"))


def _read_demonstrations(path: Path, task: Task) -> dict[str, Arrays]:
    """The task's demonstrations in the order of their numbers: of `_read_demonstration`."""
    read_env_args(path, task.environment)
    with open_file(path) as file:
        data = read_group(file, "data")
        groups = {name: read_group(data, name) for name in _chosen_names(path, file, data, task)}
        widths = _widths(path, next(iter(groups.values())), task)
        rows = sum(map(_steps, groups.values()))
        check_size(file, 2 * rows * sum(widths.values()) * np.dtype(np.float32).itemsize)
        return {name: _read_demonstration(path, group, widths) for name, group in groups.items()}


def _chosen_names(path: Path, file: h5py.File, data: h5py.Group, task: Task) -> list[str]:
    """Names of the demonstrations that the task uses, by number."""
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
    """``demo_0``, ``demo_1``, ... by number: HDF5 itself puts ``demo_10`` before ``demo_2``."""
    numbers = {}
    for name in data:
        match = re.fullmatch(r"demo_(\d{1,9})", name, re.ASCII)
        if match is None:
            raise UserError(
                f"{path}: /data/{one_line(name)} is no demonstration, allowed are demo_0, demo_1 "
                f"and so on; {OTHER_FORMAT}"
            )
        numbers[name] = int(match[1])
    if not numbers:
        raise UserError(f"{path}: /data has no demonstration; make or download the file again")
    return sorted(numbers, key=numbers.__getitem__)


def _widths(path: Path, group: h5py.Group, task: Task) -> dict[str, int]:
    """Numbers per step of ``actions`` and of each ``obs/KEY``, in the first demonstration.

    Raises:
        UserError: one is missing, or is no row of numbers per step.
    """
    observations = read_group(group, "obs")
    for key in task.reading.observations:
        if key not in observations.keys():  # noqa: SIM118  a group's own `in` follows links
            there = ", ".join(one_line(name, 80) for name in observations)
            raise UserError(
                f"{path}: {observations.name}/{key} is missing; there are {one_line(there)}: name "
                f"those to read in the `observations` of datasets.{task.dataset}"
            )
    steps = _steps(group)
    shape = (steps, None)
    widths = {"actions": read_array(group, "actions", shape).shape[1]}
    return widths | {
        f"obs/{key}": read_array(observations, key, shape).shape[1]
        for key in task.reading.observations
    }


def _read_demonstration(path: Path, group: h5py.Group, widths: dict[str, int]) -> Arrays:
    """Float32 ``actions``, ``rewards``, and ``obs/KEY`` and ``next_obs/KEY`` of an observation.

    Args:
        widths: as `_widths` returns them.

    Raises:
        UserError: one of them is missing, of another shape, or has a number that it cannot have.
    """
    steps = _steps(group)
    arrays = {
        "actions": read_array(group, "actions", (steps, widths["actions"])),
        "rewards": read_array(group, "rewards", (steps,)),
    }
    for part in ("obs", "next_obs"):
        observations = read_group(group, part)
        for name, width in widths.items():
            if name != "actions":
                key = name.removeprefix("obs/")
                arrays[f"{part}/{key}"] = read_array(observations, key, (steps, width))
    with np.errstate(over="ignore"):  # too large for float32 is infinite, and refused as such
        arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    _check(f"{path}: {group.name}", arrays)
    return arrays


def _steps(group: h5py.Group) -> int:
    steps = read_attribute(group, "num_samples")
    return int(steps) if isinstance(steps, np.integer) else 0


def _check(where: str, arrays: Arrays) -> None:
    """Every number finite, and every reward between 0 and 1, which is a success."""
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array))[0, 0])
            raise UserError(
                f"{where}/{name} has a value that is not finite in row {row}; "
                "make or download the file again"
            )
    rewards = arrays["rewards"]
    wrong = np.flatnonzero((rewards < 0) | (rewards > 1))
    if len(wrong):
        raise UserError(
            f"{where}/rewards has {rewards[wrong[0]]} in row {wrong[0]}, allowed is 0 to 1, "
            "which is a success; take a file with robosuite's sparse rewards"
        )
