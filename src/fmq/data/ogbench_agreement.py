"""Compare a file in OGBench's format with the simulator that its data set is named after.

Observations must be those of the states, or policies would not know the simulator again: others are
refused. What actions do is only told of, since data may come from a simulator with other physics.
"""

from pathlib import Path
from typing import Any

import numpy as np

from fmq.base.errors import UserError
from fmq.base.messages import notice
from fmq.base.seeding import global_numpy_seed
from fmq.config.datasets import simulator_of
from fmq.data.actions import fault_of_actions
from fmq.data.npz import Arrays
from fmq.data.ogbench import read_file
from fmq.data.unwrapped import make_unwrapped

_STATES, _TRANSITIONS, _JUMPS = 200, 20, 10
"""How many states, transitions, and transitions with the longest moves are compared."""

_TOLERANCE = 0.05
"""Largest difference allowed in an observation; a cube's is 0.007 off, one physics step late."""

_SHARE = 0.05
"""Largest share of an action's effect that may be missed: it is below 0.012 in files made here."""

_FORCE = 18
"""Place of a manipulator's only force: the gripper's contact, which a state does not determine."""


def compare_with_simulator(path: Path, name: str) -> None:
    """Compare states, observations and transitions all over the file with the simulator.

    Args:
        path: a file that `fmq.data.ogbench.check_file` has accepted.
        name: the data set, which determines the simulator.

    Raises:
        UserError: an observation is not that of its state.
    """
    arrays, origin = read_file(path)
    simulator = make_unwrapped(simulator_of(name))
    try:
        with global_numpy_seed(0):  # mazes draw their starts, and where a teleport leads, from it
            simulator.reset(seed=0)
            _compare_observations(path, arrays, origin, simulator)
            if "qvel" in arrays or simulator.model.nv == 2:  # the point has no momentum
                _compare_transitions(path, arrays, origin, simulator, "teleport" in name)
            else:
                _say(path, "has no qvel, so its actions are not compared with the simulator")
    finally:
        simulator.close()


def _say(path: Path, text: str) -> None:
    notice(f"{path}: {text}")


def _compare_observations(path: Path, arrays: Arrays, origin: np.ndarray, simulator: Any) -> None:
    """Raise `UserError` if an observation is not what the simulator shows in its state."""
    rows = _spread(np.flatnonzero(arrays["terminals"] == 0), _STATES)
    shown = np.stack([_show(simulator, arrays, row) for row in rows])
    difference = np.abs(arrays["observations"][rows] - shown)
    difference[:, ~_determined(simulator, arrays, rows[0])] = 0
    if difference.max() > _TOLERANCE:
        row, column = np.unravel_index(difference.argmax(), difference.shape)
        raise UserError(
            f"{path}: in row {origin[rows[row]]}, number {column} of observations differs by "
            f"{difference.max():.3f} from what the simulator shows in the state of qpos and qvel; "
            "use the file of this simulator, or compute the observations again from the states"
        )


def _determined(simulator: Any, arrays: Arrays, row: int) -> np.ndarray:
    """Return which numbers of an observation the arrays determine, shape (O,)."""
    resting, moving = (
        _show(simulator, arrays | {"qvel": np.full((row + 1, simulator.model.nv), speed)}, row)
        for speed in (0.0, 1.0)
    )
    known = np.full(len(resting), True) if "qvel" in arrays else resting == moving
    if hasattr(simulator, "compute_observation"):
        known[_FORCE] = False
    return known


def _compare_transitions(
    path: Path, arrays: Arrays, origin: np.ndarray, simulator: Any, teleports: bool
) -> None:
    """Say on standard error if actions lead elsewhere in the simulator than in the file."""
    rows = np.flatnonzero((arrays["terminals"][:-1] == 0) & (np.diff(origin) > 0))
    tried = _spread(rows, _TRANSITIONS)
    if not len(tried):
        return
    missed, effect = np.array([_missed(simulator, arrays, row) for row in tried]).T
    if fault := fault_of_actions(missed, effect, _SHARE):
        _say(path, f"{fault}; the first was row {origin[tried[0]]}")
        return
    moves = np.linalg.norm(np.diff(arrays["qpos"], axis=0)[rows], axis=1)
    longest = np.argsort(moves, kind="stable")[::-1][: 0 if teleports else _JUMPS]
    for row, move in zip(rows[longest], moves[longest], strict=True):
        if _missed(simulator, arrays, row)[0] > 0.05 + 0.3 * move:
            _say(
                path,
                f"the action of row {origin[row]} does not lead to the state of the next row in "
                "the simulator: an episode may end there, without terminals to say so",
            )
            return


def _missed(simulator: Any, arrays: Arrays, row: int) -> tuple[float, float]:
    """Return how far the simulator is from the file's next state, and what the action does."""
    action = arrays["actions"][row]
    reached, still = (_step(simulator, arrays, row, one) for one in (action, 0 * action))
    following = arrays["qpos"][row + 1]
    return float(np.linalg.norm(reached - following)), float(np.linalg.norm(reached - still))


def _step(simulator: Any, arrays: Arrays, row: int, action: np.ndarray) -> np.ndarray:
    _enter(simulator, arrays, row)
    simulator.step(action)
    return np.array(simulator.data.qpos)


def _show(simulator: Any, arrays: Arrays, row: int) -> np.ndarray:
    _enter(simulator, arrays, row)
    observe = getattr(simulator, "compute_observation", None) or simulator.get_ob
    return np.array(observe())


def _enter(simulator: Any, arrays: Arrays, row: int) -> None:
    """Put the simulator into a state; without `qvel`, into one at rest."""
    speed = arrays["qvel"][row] if "qvel" in arrays else np.zeros(simulator.model.nv)
    buttons = hasattr(simulator, "_cur_button_states")
    lit = [arrays["button_states"][row].astype(int)] if buttons else []
    simulator.set_state(arrays["qpos"][row].astype(float), speed.astype(float), *lit)


def _spread(rows: np.ndarray, count: int) -> np.ndarray:
    """Return at most `count` of the rows, evenly spread over all, the first and last included."""
    places = np.linspace(0, len(rows) - 1, min(count, len(rows)))
    return rows[np.rint(places).astype(int)]
