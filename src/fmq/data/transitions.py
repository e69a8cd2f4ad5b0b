"""Transitions of whole episodes, independent of the file format."""

from dataclasses import dataclass

import numpy as np

_LARGEST = np.finfo(np.float32).max


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
