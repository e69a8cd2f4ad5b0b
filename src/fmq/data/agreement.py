"""Whether a data file in RoboMimic's format and the simulator that it names show the same."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from fmq.data.robomimic import First, read_first
from fmq.envs.robosuite import (
    make_simulator,
    observation_widths,
    observe_states,
    quaternions,
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

_MOTION = re.compile("vel|acc|force|torque")
"""In the names of observations that may change a lot within a control step: not compared."""


def check_against_simulator(path: Path, task: Task) -> None:
    """Compare stored observations with what the simulator shows in the same states.

    The first states of the first demonstration are visited one after the other, as when RoboMimic
    computed its files, because robosuite shows the object's relative pose one step late.

    Raises:
        UserError: a number differs by more than `TOLERANCE`, the simulator has other sizes, cannot
            be made or be put into the stored states, or what `read_transitions` would raise.
    """
    first = read_first(path, task)
    simulator = make_simulator(read_env_args(path, task.environment))
    keys = task.reading.observations
    widths = observation_widths(simulator, keys)
    _check_sizes(
        first, {"actions": int(simulator.action_dim)} | {f"obs/{k}": widths[k] for k in keys}
    )
    visited = _visit(first, simulator)
    shown = np.concatenate([visited[key] for key in keys], axis=1)
    read = np.concatenate([first.arrays[f"obs/{key}"][: len(shown)] for key in keys], axis=1)
    # The first relative pose in RoboMimic's files is that of an object not yet in its place.
    difference = _difference(read, shown, quaternions(simulator, keys))[1:]
    still = [not _MOTION.search(key) for key in keys for _ in range(widths[key])]
    difference = np.where(still, difference, 0)
    if len(first.states) < 2:
        raise UserError(f"{first.where}: a single step, which tells nothing; leave it out")
    if not (difference <= TOLERANCE).all():
        row, column = np.unravel_index(difference.argmax(), difference.shape)
        key, place = _part_of(int(column), widths)
        raise UserError(
            f"{first.where}/obs/{key} differs from the simulator by {difference.max():.3f} in row "
            f"{row + 1}, number {place}; the order of `object` in robosuite 1.4.1 is not that of "
            "1.5: take RoboMimic's v1.5 file, or make your own again from its states"
        )


def _check_sizes(first: First, sizes: dict[str, int]) -> None:
    for part, size in sizes.items():
        found = first.arrays[part].shape[1]
        if found != size:
            raise UserError(
                f"{first.where}/{part} has {found} numbers per step, but the simulator of its "
                f"env_args has {size}; take a file that this simulator made"
            )


def _visit(first: First, simulator: Any) -> dict[str, np.ndarray]:
    """What the simulator shows in the first states."""
    try:
        return observe_states(simulator, first.model, first.states[:COMPARED_ROWS])
    except Exception as error:  # MuJoCo and its XML reader raise plain exceptions
        reason = one_line(" ".join(str(error).split())) or type(error).__name__
        raise UserError(
            f"{first.where}: the simulator cannot be put into the stored states ({reason}); "
            "take RoboMimic's v1.5 file, or one that this robosuite made"
        ) from None


def _difference(stored: np.ndarray, shown: np.ndarray, turns: list[slice]) -> np.ndarray:
    """Absolute differences, of quaternions with the sign that fits better."""
    shown = shown.copy()
    for place in turns:
        opposite = (stored[:, place] * shown[:, place]).sum(axis=1) < 0
        shown[opposite, place] *= -1
    return np.abs(stored - shown)


def _part_of(column: int, widths: dict[str, int]) -> tuple[str, int]:
    """The part of an observation vector that a column belongs to, and its place in there."""
    ends = np.cumsum(list(widths.values()))
    part = int(np.searchsorted(ends, column, side="right"))
    return list(widths)[part], column - int(ends[part]) + list(widths.values())[part]
