"""What actions of a data set must be: in [-1, 1], and such that they lead to the next states."""

import numpy as np

from fmq.base.errors import UserError

_ROUNDING = 1e-4
"""How far an action may lie outside of [-1, 1], for rounding when a file was made.

The scripts that OGBench's files were made with clip actions to [-1, 1], and RoboMimic's own check
of a file allows no more.
"""


def refuse_wide(where: str, actions: np.ndarray) -> None:
    """Raise `UserError` if an action is outside of [-1, 1], with the first such row.

    Args:
        where: the file and the place of the actions in it.
        actions: shape (n, A), finite.
    """
    bound = 1 + _ROUNDING
    if not actions.size or (actions.min() >= -bound and actions.max() <= bound):
        return
    row = int((np.abs(actions) > bound).any(axis=1).argmax())
    widest = actions[row][np.abs(actions[row]).argmax()]
    raise UserError(
        f"{where} has {widest:g} in row {row}, allowed is -1 to 1, where policies act; scale them "
        "as the simulator takes them"
    )


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
