"""Transitions of whole episodes, independent of the file format."""

from dataclasses import dataclass

import numpy as np

_LARGEST = np.finfo(np.float32).max

_ROUNDING = 1e-4
"""How far an action may lie outside of [-1, 1], for rounding when a file was made.

The scripts that OGBench's files were made with clip actions to [-1, 1], and RoboMimic's own check
of a file allows no more.
"""


@dataclass(frozen=True)
class Transitions:
    """Transitions (s_i, a_i, r_i, s_{i+1}) of whole episodes, in order.

    Attributes:
        observations: float32 (rows, O), every state once, including each episode's last.
        actions: float32 (n, A).
        rewards: float32 (n,).
        masks: float32 (n,), 0 where the task is solved and nothing follows, else 1.
        terminals: bool (n,), True on the last transition of every episode, solved or not.
        rows: int64 (n,), the row of s_i in `observations`.
        next_rows: int64 (n,), the row of s_{i+1} in `observations`.
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    masks: np.ndarray
    terminals: np.ndarray
    rows: np.ndarray
    next_rows: np.ndarray


def bad_row(array: np.ndarray) -> int | None:
    """Return the first row with a number that is not finite as float32, or None."""
    if array.dtype.kind != "f" or not array.size:
        return None
    # The extremes suffice and need no array of flags: both are NaN if any value is.
    if all(abs(value) <= _LARGEST for value in (array.min(), array.max())):
        return None
    return int(np.argwhere(~(np.abs(array) <= _LARGEST))[0, 0])


def wide_row(actions: np.ndarray) -> int | None:
    """Return the first row with an action outside of [-1, 1], or None; shape (n, A), finite."""
    bound = 1 + _ROUNDING
    if not actions.size or (actions.min() >= -bound and actions.max() <= bound):
        return None
    return int((np.abs(actions) > bound).any(axis=1).argmax())


def widest(action: np.ndarray) -> float:
    """Return the number of an action that is farthest from 0, for messages."""
    return float(action[np.abs(action).argmax()])
