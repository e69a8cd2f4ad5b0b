"""Find the demonstrations of a file in RoboMimic's format, and read and check one."""

import re
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from fmq.base.errors import UserError
from fmq.base.hdf5 import (
    OTHER_FORMAT,
    has_rows,
    read_array,
    read_count,
    read_group,
    read_names,
)
from fmq.base.messages import one_line
from fmq.config.tasks import Task
from fmq.data.actions import refuse_wide
from fmq.data.transitions import bad_row

VECTORS = ("rewards", "dones")
"""Arrays with one number per step; ``dones`` is only read where demonstrations are kept whole."""

_STEP_LATE = 0.005
"""How far ``next_obs`` may be from the ``obs`` that follows, in metres or parts of a quaternion.

RoboMimic's files have the same numbers there. The arm is a millimetre or two off where one was
recorded and the other computed afterwards.
"""

MOTION = re.compile("vel|acc|force|torque")
"""Matches observations that can change a lot within a control step; they are not compared."""

Arrays = dict[str, np.ndarray]


def chosen(path: Path, file: h5py.File, data: h5py.Group, task: Task) -> dict[str, h5py.Group]:
    """Return the demonstrations that the task uses, ordered by number: those with steps."""
    groups = {name: read_group(data, name) for name in chosen_names(path, file, data, task)}
    used = {name: group for name, group in groups.items() if not _is_empty(group)}
    if not used:
        raise UserError(
            f"{path}: none of the {len(groups)} demonstrations has a step; make or download the "
            "file again"
        )
    return used


def _is_empty(group: h5py.Group) -> bool:
    return read_count(group, "num_samples") == 0 and not has_rows(group, "actions")


def chosen_names(path: Path, file: h5py.File, data: h5py.Group, task: Task) -> list[str]:
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


def widths_of(path: Path, group: h5py.Group, task: Task) -> dict[str, int]:
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
    steps = read_count(group, "num_samples")
    shape = (steps, None)
    widths = {"actions": read_array(group, "actions", shape).shape[1]}
    return widths | {
        f"obs/{key}": read_array(observations, key, shape).shape[1]
        for key in task.reading.observations
    }


def read_demonstration(
    path: Path, group: h5py.Group, widths: dict[str, int], vectors: Sequence[str] = VECTORS[:1]
) -> Arrays:
    """Read ``actions``, vectors, and each ``obs/KEY`` and ``next_obs/KEY`` as float32.

    Args:
        widths: as returned by `widths_of`.
        vectors: those of `VECTORS` to read.

    Raises:
        UserError: one of them is missing, has another shape, or holds an invalid value.
    """
    steps = read_count(group, "num_samples")
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


def _check(where: str, arrays: Arrays) -> None:
    """Raise `UserError` on numbers that no reader can use, with their first row.

    All must be finite, actions in [-1, 1], rewards in [0, 1], and dones 0 or 1, with 1 at success.
    """
    for name, array in arrays.items():
        if (bad := bad_row(array)) is not None:
            raise UserError(
                f"{where}/{name} has a value that is not finite in row {bad}; "
                "make or download the file again"
            )
    refuse_wide(f"{where}/actions", arrays["actions"])
    _check_order(where, arrays)
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
    wrong = np.flatnonzero((rewards[: len(dones)] >= 1) & (dones == 0))
    if len(wrong):
        raise UserError(
            f"{where}/rewards has a success in row {wrong[0]}, where dones is 0, so that the task "
            "would go on; set dones to 1 there, or `demonstrations: first_success`"
        )


def _check_order(where: str, arrays: Arrays) -> None:
    """Raise `UserError` unless each ``next_obs`` is the ``obs`` of the next row, up to a sign."""
    for name, array in arrays.items():
        if not name.startswith("obs/") or MOTION.search(name):
            continue
        # A quaternion and its opposite are the same rotation, so only sizes count.
        apart = np.abs(np.abs(arrays[f"next_{name}"][:-1]) - np.abs(array[1:]))
        if apart.size and apart.max() > _STEP_LATE:
            row = int(apart.max(axis=1).argmax())
            raise UserError(
                f"{where}/next_{name} in row {row} differs from {name} in row {row + 1} by "
                f"{apart.max():.3f}, so rows are missing or not in order; make the file again"
            )
