"""The layouts of npz files: OGBench's, one row per state, and one row per transition.

In OGBench's layout a terminal row holds the last state of an episode, which starts no transition.
In the other one, which D4RL, Minari and OGBench's own loader hand out, a terminal row is the last
transition. Only ``next_observations`` tells them apart, so flags that belong to the second layout
are refused without it.
"""

from pathlib import Path

import numpy as np

from fmq.base.errors import UserError
from fmq.data.npz import Arrays

NEXT = "next_observations"
ENDS = ("terminals", "timeouts", "terminations", "truncations", "dones")
"""Flags that end an episode where there is one row per transition, by any library's name."""

_REQUIRED = ("observations", "actions", "terminals", "qpos")


def refuse_other_layouts(path: Path, arrays: Arrays) -> None:
    """Raise `UserError` if an array is missing, or one shows a layout that cannot be told.

    Args:
        arrays: every array of a known name.
    """
    if "valids" in arrays:
        raise UserError(
            f"{path}: has an array 'valids', so it is OGBench's compact layout, whose terminals "
            "are set on two rows per episode; set terminals to 1 - valids, and leave valids out"
        )
    ends = [name for name in ENDS if name in arrays]
    foreign = [name for name in ends if name != "terminals"]
    if NEXT not in arrays and foreign:
        raise UserError(
            f"{path}: has an array {foreign[0]!r}, which OGBench's files do not have: rows may be "
            "states or transitions; add next_observations if they are transitions, or leave it "
            "out and set terminals on the last state of every episode"
        )
    for name in _REQUIRED:
        if name not in arrays and not (name == "terminals" and foreign):
            raise UserError(
                f"{path}: has no array {name!r}; an OGBench file needs {', '.join(_REQUIRED)}"
            )


def one_row_per_state(path: Path, arrays: Arrays) -> tuple[Arrays, np.ndarray]:
    """Return the arrays in OGBench's layout, and the file's row that each of their rows is from.

    With ``next_observations``, the last one of every episode becomes a row of its own, whose other
    numbers repeat those of the transition that leads there.

    Args:
        arrays: numbers with equally many rows, flags of 0 and 1.

    Raises:
        UserError: an episode lacks its end, or has no transition.
    """
    if NEXT in arrays:
        return _unfolded(path, arrays)
    ends = arrays["terminals"] != 0
    rows = len(ends)
    if ends.all():
        raise UserError(
            f"{path}: array 'terminals' leaves no transition in {rows} rows; "
            "an episode needs two rows or more"
        )
    if not ends[-1]:
        raise UserError(
            f"{path}: array 'terminals' is not set on the last row ({rows - 1}), so the last "
            "episode is cut off; make the file again"
        )
    alone = np.flatnonzero(ends & np.concatenate([[True], ends[:-1]]))
    if len(alone):
        raise UserError(
            f"{path}: array 'terminals' makes row {alone[0]} an episode of one state, without a "
            "transition; leave it out or, if rows are transitions, add next_observations"
        )
    return arrays, np.arange(rows)


def _unfolded(path: Path, arrays: Arrays) -> tuple[Arrays, np.ndarray]:
    """Turn one row per transition into one row per state."""
    following = arrays[NEXT].astype(np.float32, copy=False)
    ends = np.any([arrays[name] != 0 for name in ENDS if name in arrays], axis=0)
    _refuse_gaps(path, arrays["observations"].astype(np.float32, copy=False), following, ends)
    last = np.flatnonzero(ends)
    rows = np.insert(np.arange(len(ends)), last + 1, last)
    final = np.insert(np.zeros(len(ends), bool), last + 1, True)
    unfolded = {name: array[rows] for name, array in arrays.items() if name not in (NEXT, *ENDS)}
    unfolded["observations"] = unfolded["observations"].astype(np.float32, copy=False)
    unfolded["observations"][final] = following[last]
    return unfolded | {"terminals": final}, rows


def _refuse_gaps(
    path: Path, observations: np.ndarray, following: np.ndarray, ends: np.ndarray
) -> None:
    """Raise `UserError` if a transition leads elsewhere than the next row, but ends no episode."""
    if not len(ends):
        raise UserError(f"{path}: has no row, so no transition; make the file again")
    gap = np.append((following[:-1] != observations[1:]).any(axis=1), True)
    wrong = np.flatnonzero(gap & ~ends)
    if len(wrong):
        raise UserError(
            f"{path}: next_observations of row {wrong[0]} is not the observation of the next row, "
            "but terminals ends no episode there; set terminals on the last transition of every "
            "episode, solved or not"
        )
