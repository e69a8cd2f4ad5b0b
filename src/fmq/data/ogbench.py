"""Read an OGBench data set as transitions with the rewards and masks of one task."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fmq.base.errors import UserError
from fmq.base.seeding import global_numpy_seed
from fmq.config.datasets import simulator_of
from fmq.config.tasks import Task
from fmq.data.actions import refuse_wide
from fmq.data.layouts import ENDS, NEXT, one_row_per_state, refuse_other_layouts
from fmq.data.npz import Arrays, read_arrays
from fmq.data.transitions import Transitions, bad_row
from fmq.envs.rewards import task_reward

_VECTORS = (*ENDS, "valids", "rewards", "masks")
"""Arrays with one number per row; all others have a row of numbers."""
_FLAGS = (*ENDS, "valids", "masks")
_KNOWN = ("observations", "actions", "qpos", "qvel", "button_states", NEXT, *_VECTORS)


def read_transitions(path: Path, task: Task) -> Transitions:
    """Read a training or validation file and label it for `task`.

    A terminal row holds the last state of an episode: it ends a transition and starts none. A file
    with ``next_observations`` has one row per transition instead (`fmq.data.layouts`).
    Rewards and masks come from OGBench's own relabelling (`ogbench.relabel_utils`), which
    evaluates the state before the action, as the single-task simulators do. It has done so in
    every version of OGBench, so `success_timing` does not change it. If the file has both
    ``rewards`` and ``masks``, they are kept: it was made for one task and must be used for it.

    Args:
        path: an npz file in OGBench's format, from OGBench or from `fmq.data.generate`.
        task: the task; `task.settings.sparse_reward` maps non-zero rewards to -1.

    Raises:
        UserError: the file is missing, damaged, or does not fit the task's simulator.
    """
    arrays, origin = read_file(path)
    rewards, masks = _label(path, arrays, origin, task)
    terminals = arrays["terminals"] != 0
    rows = np.flatnonzero(~terminals)
    rewards = task_reward(rewards[rows].astype(np.float32, copy=False), task.settings)
    return Transitions(
        observations=arrays["observations"].astype(np.float32, copy=False),
        actions=arrays["actions"][rows].astype(np.float32, copy=False),
        rewards=rewards,
        masks=masks[rows].astype(np.float32, copy=False),
        terminals=terminals[rows + 1],
        rows=rows,
        next_rows=rows + 1,
    )


def has_rewards(path: Path) -> bool:
    """Return whether a file that `check_file` took has its own rewards; reads no array."""
    with np.load(path) as file:
        return "rewards" in file


def check_file(path: Path, name: str, rows: int | None, tasks: Sequence[str] = ()) -> None:
    """Raise `UserError` unless `path` is an OGBench file that fits the data set `name`.

    Args:
        path: an npz file.
        name: determines the simulator and so the array widths. Mazes of one robot share them.
        rows: the expected number of states, if known.
        tasks: the tasks that use the file; a file with its own rewards fits only one task.
    """
    import gymnasium
    import ogbench  # noqa: F401  registers the environments

    arrays, _ = read_file(path)
    if len(tasks) > 1 and "rewards" in arrays:
        raise UserError(
            f"{path}: has its own rewards, which fit one task, but {', '.join(tasks)} would "
            "learn from them; leave rewards and masks out to have them computed per task"
        )
    environment = gymnasium.make(simulator_of(name))
    try:
        _check_fit(path, arrays, name, environment)
    finally:
        environment.close()
    found = len(arrays["observations"])
    if rows not in (None, found):
        raise UserError(f"{path}: {found} rows, but the official file has {rows}")


def count_other_rewards(path: Path, task: Task) -> int | None:
    """Return in how many steps a file's own rewards are not those computed for the task.

    Returns:
        the number of steps; None if the file has no rewards of its own.

    Raises:
        UserError: as `read_transitions`.
    """
    arrays, origin = read_file(path)
    if "rewards" not in arrays:
        return None
    own, _ = _label(path, arrays, origin, task)
    states = {name: array for name, array in arrays.items() if name not in ("rewards", "masks")}
    computed, _ = _label(path, states, origin, task)
    return int(((own != computed) & (arrays["terminals"] == 0)).sum())


def read_file(path: Path) -> tuple[Arrays, np.ndarray]:
    """Read a file and check it by itself, without a simulator.

    Returns:
        arrays with one row per state, and the file's row that each of them is from.

    Raises:
        UserError: the file is missing or damaged, lacks an array, or holds what no reader can use.
    """
    arrays = read_arrays(path, _KNOWN)
    refuse_other_layouts(path, arrays)
    _check_rows(path, arrays)
    _check_numbers(path, arrays)
    return one_row_per_state(path, arrays)


def _check_rows(path: Path, arrays: Arrays) -> None:
    """Raise `UserError` on wrong shapes or unequal row counts."""
    rows = len(arrays["observations"]) if arrays["observations"].ndim else 0
    for name, array in arrays.items():
        dimensions = 1 if name in _VECTORS else 2
        if array.ndim != dimensions or array.dtype.kind not in "fiub":
            raise UserError(
                f"{path}: array {name!r} is {array.dtype} of shape {array.shape}; allowed are "
                f"numbers in {dimensions} dimension{'s'[: dimensions - 1]}"
            )
        if len(array) != rows:
            raise UserError(
                f"{path}: array {name!r} has {len(array)} rows, but observations {rows}; "
                "every array needs as many"
            )
    if NEXT in arrays and arrays[NEXT].shape != arrays["observations"].shape:
        raise UserError(
            f"{path}: array {NEXT!r} has {arrays[NEXT].shape[1]} numbers per row, but observations "
            f"{arrays['observations'].shape[1]}; make the file again"
        )


def _check_numbers(path: Path, arrays: Arrays) -> None:
    """Raise `UserError` on numbers that no reader can use, with their first row.

    These are values that are not finite as float32, flags other than 0 and 1, and actions outside
    of [-1, 1].
    """
    for name, array in arrays.items():
        if name in _FLAGS and not np.isin(array, (0, 1)).all():
            row = int(np.argmin(np.isin(array, (0, 1))))
            raise UserError(
                f"{path}: array {name!r} has {array[row]} in row {row}, allowed are 0 and 1; "
                "make the file again"
            )
        if (bad := bad_row(array)) is not None:
            raise UserError(
                f"{path}: array {name!r} has a value that is not finite in row {bad}; "
                "make the file again"
            )
    refuse_wide(f"{path}: array 'actions'", arrays["actions"])


def _label(
    path: Path, arrays: Arrays, origin: np.ndarray, task: Task
) -> tuple[np.ndarray, np.ndarray]:
    """Return rewards and masks of every row, each of shape (rows,), by the task's simulator.

    Args:
        origin: the file's row that each row is from, for messages about rewards of its own.
    """
    import gymnasium
    import ogbench  # noqa: F401  registers the environments
    from ogbench.relabel_utils import relabel_dataset

    environment = gymnasium.make(task.environment)
    own = "rewards" in arrays and "masks" in arrays
    try:
        _check_fit(path, arrays, task.dataset, environment)
        if own:
            _check_own_rewards(path, arrays, origin, task, _parts(environment.unwrapped))
        if "rewards" not in arrays and "masks" not in arrays:
            # The relabelling resets the simulator, which draws from the global generator.
            with global_numpy_seed(0):
                relabel_dataset(task.environment, environment, arrays)
    finally:
        environment.close()
    for name, other in (("rewards", "masks"), ("masks", "rewards")):
        if name not in arrays:
            raise UserError(
                f"{path}: has an array {other!r} but no {name!r}; give both, or neither to have "
                "them computed for the task"
            )
    return arrays["rewards"], arrays["masks"]


def _parts(simulator: Any) -> int:
    """Return the number of parts of a simulator's tasks; each costs 1 per step until it is done."""
    parts = getattr(simulator, "_num_cubes", 0) + getattr(simulator, "_num_buttons", 0)
    drawer_and_window = 2 * hasattr(simulator, "_target_drawer_pos")
    return max(1, parts + drawer_and_window)


def _check_own_rewards(
    path: Path, arrays: Arrays, origin: np.ndarray, task: Task, parts: int
) -> None:
    """Raise `UserError` unless the file's rewards and masks are such as the simulator's.

    Online transitions bring the simulator's: minus the number of unsolved parts, whole, and the
    mask 0 where nothing is left to solve.
    """
    used = arrays["terminals"] == 0
    rewards, solved = arrays["rewards"], arrays["masks"] == 0
    if solved.any() and not (solved & used).any():
        row = origin[solved.argmax()]
        raise UserError(
            f"{path}: array 'masks' is 0 only on last states such as row {row}, which start no "
            "transition, so every success would be lost; if rows are transitions, add "
            "next_observations"
        )
    odd = (rewards > 0) | ((rewards == 0) != solved)
    if not task.settings.sparse_reward:
        odd |= (rewards < -parts) | (rewards != np.rint(rewards))
    if (odd & used).any():
        row = (odd & used).argmax()
        raise UserError(
            f"{path}: row {origin[row]} has the reward {rewards[row]} and the mask "
            f"{arrays['masks'][row]}; {task.environment} gives 0 with mask 0 at success, else "
            f"{'-1' if parts == 1 else f'-{parts} to -1'}, whole, with mask 1; leave both arrays "
            "out to have them computed"
        )


def _check_fit(path: Path, arrays: Arrays, dataset: str, environment: Any) -> None:
    """Raise `UserError` unless the row widths match the simulator's."""
    simulator = environment.unwrapped
    widths = {
        "observations": environment.observation_space.shape[0],
        "actions": environment.action_space.shape[0],
        "qpos": simulator.model.nq,
    }
    if "qvel" in arrays:
        widths["qvel"] = simulator.model.nv
    if hasattr(simulator, "_cur_button_states"):
        widths["button_states"] = len(simulator._cur_button_states)
    for name, width in widths.items():
        if name not in arrays:
            raise UserError(f"{path}: has no array {name!r}, which {environment.spec.id} needs")
        if arrays[name].shape[1] != width:
            raise UserError(
                f"{path}: array {name!r} has {arrays[name].shape[1]} numbers per row, but "
                f"{environment.spec.id} has {width}; its file is {dataset}.npz"
            )
