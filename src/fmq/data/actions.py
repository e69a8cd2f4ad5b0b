"""What actions of a data set must be: in [-1, 1], and such that they lead to the next states."""

import numpy as np

_ROUNDING = 1e-4
"""How far an action may lie outside of [-1, 1], for rounding when a file was made.

The scripts that OGBench's files were made with clip actions to [-1, 1], and RoboMimic's own check
of a file allows no more.
"""


def wide_row(actions: np.ndarray) -> int | None:
    """Return the first row with an action outside of [-1, 1], or None; shape (n, A), finite."""
    bound = 1 + _ROUNDING
    if not actions.size or (actions.min() >= -bound and actions.max() <= bound):
        return None
    return int((np.abs(actions) > bound).any(axis=1).argmax())


def widest(action: np.ndarray) -> float:
    """Return the number of an action that is farthest from 0, for messages."""
    return float(action[np.abs(action).argmax()])


def fault_of_actions(missed: np.ndarray, effect: np.ndarray, share: float) -> str | None:
    """Describe actions that lead elsewhere in the simulator than in the file, or return None.

    Args:
        missed: distances of the simulator's next states from the file's, shape (n,).
        effect: distances of the simulator's next states from those without an action, (n,).
        share: the largest share of the effect that may be missed.
    """
    far, moved = float(np.median(missed)), float(np.median(effect))
    if far <= share * moved + 1e-3:
        return None
    return (
        f"in {len(missed)} transitions tried, the simulator misses the file's next state by "
        f"{far:.3g}, where the actions move it by {moved:.3g}: actions may be scaled, in another "
        "order or of other rows"
    )
