"""Read a RoboMimic data set for its task: demonstrations cut at their first success."""

import math
import re
from pathlib import Path

import h5py
import numpy as np

from fmq.data.hdf5 import check_size, open_file, read_array, read_attribute, read_group
from fmq.data.transitions import Transitions
from fmq.datasets import simulator_of
from fmq.envs.robomimic import (
    ACTION_WIDTH,
    make_simulator,
    observation_widths,
    observe_states,
    read_env_args,
)
from fmq.errors import UserError
from fmq.messages import one_line
from fmq.tasks import Task

COMPARED_ROWS = 10
"""States of the first demonstration that are put into the simulator."""

TOLERANCE = 0.02
"""How far a stored number may be from the simulator's, in metres or parts of a unit quaternion.

Between the moment that robosuite observes and the end of a control step, the arm moves a
millimetre or two.
"""

_QUATERNIONS = {
    "Lift": (slice(3, 7), slice(12, 16)),
    "PickPlaceCan": (slice(3, 7), slice(12, 16), slice(19, 23)),
    "NutAssemblySquare": (slice(3, 7), slice(12, 16), slice(19, 23)),
}
"""Where an observation vector holds quaternions; q and -q are the same turn."""

Arrays = dict[str, np.ndarray]


def read_transitions(path: Path, task: Task) -> Transitions:
    """Read every demonstration of a file, up to and with its first success.

    Rewards are those of the file minus 1: -1 until the task is solved, 0 then. The mask of a
    success is 0. A demonstration without success keeps all its steps, and mask 1 to the end.

    Args:
        path: an HDF5 file in RoboMimic's format, from RoboMimic or from `fmq.data.generate`.
        task: `task.settings.sparse_reward` maps non-zero rewards to -1.

    Raises:
        UserError: the file is missing, damaged, of another task, or of robosuite before 1.5.
    """
    keys = observation_widths(task.environment)
    episodes = []
    for demonstration in _read_demonstrations(path, task.environment).values():
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


def check_file(path: Path, name: str, demonstrations: int | None) -> None:
    """Verify that a downloaded file is the data set `name`, whole and usable.

    Args:
        path: the file, whatever it is called while it is on its way.
        name: e.g. ``can-mh-low_dim``.
        demonstrations: how many there have to be; None accepts any number.

    Raises:
        UserError: it is damaged, of another task or robosuite, or has another number.
    """
    found = len(_read_demonstrations(path, simulator_of(name)))
    if demonstrations is not None and found != demonstrations:
        raise UserError(
            f"{path}: has {found} demonstrations, but {name} has {demonstrations}; "
            "take RoboMimic's own file"
        )


def _read_demonstrations(path: Path, environment: str) -> dict[str, Arrays]:
    """Every demonstration in the order of their numbers: what `_read_demonstration` returns."""
    read_env_args(path, environment)
    with open_file(path) as file:
        data = read_group(file, "data")
        groups = {name: read_group(data, name) for name in _demonstration_names(path, data)}
        rows = sum(map(_steps, groups.values()))
        width = sum(math.prod(shape) for shape in _shapes(environment, 1).values())
        check_size(file, rows * width * np.dtype(np.float32).itemsize)
        return {
            name: _read_demonstration(path, group, environment) for name, group in groups.items()
        }


def _demonstration_names(path: Path, data: h5py.Group) -> list[str]:
    """``demo_0``, ``demo_1``, ... by number: HDF5 itself puts ``demo_10`` before ``demo_2``."""
    numbers = {}
    for name in data:
        match = re.fullmatch(r"demo_(\d{1,9})", name, re.ASCII)
        if match is None:
            raise UserError(
                f"{path}: /data/{one_line(name)} is no demonstration, allowed are demo_0, demo_1 "
                "and so on; take RoboMimic's own file"
            )
        numbers[name] = int(match[1])
    if not numbers:
        raise UserError(f"{path}: /data has no demonstration; make or download the file again")
    return sorted(numbers, key=numbers.__getitem__)


def _read_demonstration(path: Path, group: h5py.Group, environment: str) -> Arrays:
    """Float32 ``actions``, ``rewards``, and ``obs/KEY`` and ``next_obs/KEY`` of an observation.

    Raises:
        UserError: one of them is missing, of another shape, or has a number that it cannot have.
    """
    shapes = _shapes(environment, _steps(group))
    arrays = {name: read_array(group, name, shapes[name]) for name in ("actions", "rewards")}
    for part in ("obs", "next_obs"):
        observations = read_group(group, part)
        for key in observation_widths(environment):
            name = f"{part}/{key}"
            arrays[name] = read_array(observations, key, shapes[name])
    with np.errstate(over="ignore"):  # too large for float32 is infinite, and refused as such
        arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    _check(f"{path}: {group.name}", arrays)
    return arrays


def _steps(group: h5py.Group) -> int:
    steps = read_attribute(group, "num_samples")
    return int(steps) if isinstance(steps, np.integer) else 0


def _shapes(environment: str, steps: int) -> dict[str, tuple[int, ...]]:
    """The shape that every array of a demonstration has to have."""
    widths = observation_widths(environment)
    shapes = {
        f"{part}/{key}": (steps, widths[key]) for part in ("obs", "next_obs") for key in widths
    }
    return {"actions": (steps, ACTION_WIDTH), "rewards": (steps,), **shapes}


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
            f"{where}/rewards has {rewards[wrong[0]]} in row {wrong[0]}, allowed is 0 to 1; "
            "take RoboMimic's own file"
        )


def check_against_simulator(path: Path, task: Task) -> None:
    """Compare stored observations with what the simulator shows in the same states.

    The first states of the first demonstration are visited one after the other, as when RoboMimic
    computed its files, because robosuite shows the object's relative pose one step late.

    Raises:
        UserError: a number differs by more than `TOLERANCE`, the simulator cannot be put into the
            stored states, or what `read_transitions` would raise.
    """
    with open_file(path) as file:
        data = read_group(file, "data")
        name = _demonstration_names(path, data)[0]
        group = read_group(data, name)
        stored = _read_demonstration(path, group, task.environment)
        states = read_array(group, "states", (None, None))[:COMPARED_ROWS]
        model = read_attribute(group, "model_file")
    where = f"{path}: /data/{name}"
    simulator = make_simulator(read_env_args(path, task.environment))
    keys = observation_widths(task.environment)
    try:
        visited = observe_states(simulator, model, states)
    except Exception as error:  # MuJoCo and its XML reader raise plain exceptions
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{where}: the simulator cannot be put into the stored states ({reason}); "
            "take RoboMimic's v1.5 file"
        ) from None
    shown = np.concatenate([visited[key] for key in keys], axis=1)
    read = np.concatenate([stored[f"obs/{key}"][: len(shown)] for key in keys], axis=1)
    # The first relative pose in RoboMimic's files is that of an object not yet in its place.
    difference = _difference(read, shown, task.environment)[1:]
    if difference.size and difference.max() > TOLERANCE:
        row, column = np.unravel_index(difference.argmax(), difference.shape)
        key, place = _part_of(int(column), keys)
        raise UserError(
            f"{where}/obs/{key} differs from the simulator by {difference.max():.3f} in row "
            f"{row + 1}, number {place}; the order of `object` in robosuite 1.4.1 is not that of "
            "1.5: take RoboMimic's v1.5 file"
        )


def _difference(stored: np.ndarray, shown: np.ndarray, environment: str) -> np.ndarray:
    """Absolute differences, of quaternions with the sign that fits better."""
    shown = shown.copy()
    for place in _QUATERNIONS[environment]:
        opposite = (stored[:, place] * shown[:, place]).sum(axis=1) < 0
        shown[opposite, place] *= -1
    return np.abs(stored - shown)


def _part_of(column: int, widths: dict[str, int]) -> tuple[str, int]:
    """The part of an observation vector that a column belongs to, and its place in there."""
    ends = np.cumsum(list(widths.values()))
    part = int(np.searchsorted(ends, column, side="right"))
    return list(widths)[part], column - int(ends[part]) + list(widths.values())[part]
