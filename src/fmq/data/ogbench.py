"""Read an OGBench data set as transitions with the rewards and masks of one task."""

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fmq.base.errors import UserError
from fmq.base.seeding import global_numpy_seed
from fmq.config.datasets import simulator_of
from fmq.config.tasks import Task
from fmq.data.transitions import Transitions, bad_row
from fmq.envs.rewards import task_reward

_REQUIRED = ("observations", "actions", "terminals", "qpos")
_OPTIONAL = ("qvel", "button_states", "rewards", "masks")
_VECTORS = ("terminals", "rewards", "masks")
"""Arrays with one number per row; all others have a row of numbers."""
_FLAGS = ("terminals", "masks")

_UNPACKED = (2**28, 100)
"""Unpacked size allowed: this many bytes plus this many times the file size.

Real data compress to about half their size.
"""

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}

Arrays = dict[str, np.ndarray]


def read_transitions(path: Path, task: Task) -> Transitions:
    """Read a training or validation file and label it for `task`.

    A terminal row holds the last state of an episode: it ends a transition and starts none.
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
    arrays = _read(path)
    _check_rows(path, arrays)
    _check_numbers(path, arrays)
    rewards, masks = _label(path, arrays, task)
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

    arrays = _read(path)
    _check_rows(path, arrays)
    _check_numbers(path, arrays)
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


def _read(path: Path) -> Arrays:
    """Read the known arrays of the file, never unpickling anything."""
    arrays: Arrays = {}
    name = ""
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(path, archive)
            for name in (*_REQUIRED, *_OPTIONAL):
                if name in members:
                    arrays[name] = _read_array(path, archive, name)
    except UserError:
        raise
    except OSError as error:
        if error.errno:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from None
        raise _damaged(path, name) from None
    except Exception:  # zipfile and numpy may raise any exception on invalid bytes
        raise _damaged(path, name) from None
    return arrays


def _damaged(path: Path, name: str) -> UserError:
    where = f" (array {name!r})" if name else ""
    return UserError(f"{path}: damaged, cut off or not an npz file{where}; make it again")


def _members(path: Path, archive: zipfile.ZipFile) -> set[str]:
    """Return the array names; raise `UserError` if one is missing or it is a zip bomb."""
    total = sum(member.file_size for member in archive.infolist())
    spare, factor = _UNPACKED
    if total > spare + factor * path.stat().st_size:
        raise UserError(
            f"{path}: unpacks to {total:,} bytes, over {factor} times its size, so it is not a "
            "data set; make it again"
        )
    names = [member.filename.removesuffix(".npy") for member in archive.infolist()]
    if len(set(names)) < len(names):
        raise zipfile.BadZipFile("two arrays of one name")
    for name in _REQUIRED:
        if name not in names:
            raise UserError(
                f"{path}: has no array {name!r}; an OGBench file needs {', '.join(_REQUIRED)}"
            )
    return set(names)


def _read_array(path: Path, archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Read an array after checking that its announced size matches that of its zip member.

    Otherwise a small file could allocate much memory, or leave bytes whose checksum is not tested.
    """
    member = archive.getinfo(f"{name}.npy")
    with archive.open(member) as file:
        read_header = _HEADERS[np.lib.format.read_magic(file)]
        shape, _, kind = read_header(file)
        if kind.hasobject:
            raise UserError(
                f"{path}: array {name!r} holds Python objects; allowed are numbers only"
            )
        if min(shape, default=0) < 0 or file.tell() + math.prod(shape) * kind.itemsize != (
            member.file_size
        ):
            raise ValueError("announces another size than it has")
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _check_rows(path: Path, arrays: Arrays) -> None:
    """Raise `UserError` on wrong shapes, unequal row counts or an unfinished last episode."""
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
                "every array needs one row per state"
            )
    terminals = arrays["terminals"]
    if terminals.all():
        raise UserError(
            f"{path}: array 'terminals' leaves no transition in {rows} rows; "
            "an episode needs two rows or more"
        )
    if not terminals[-1]:
        raise UserError(
            f"{path}: array 'terminals' is not set on the last row ({rows - 1}), so the last "
            "episode is cut off; make the file again"
        )


def _check_numbers(path: Path, arrays: Arrays) -> None:
    """Raise `UserError` on values that are not finite as float32, or flags other than 0 and 1."""
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


def _label(path: Path, arrays: Arrays, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Return rewards and masks of every row, each of shape (rows,), by the task's simulator."""
    import gymnasium
    import ogbench  # noqa: F401  registers the environments
    from ogbench.relabel_utils import relabel_dataset

    environment = gymnasium.make(task.environment)
    try:
        _check_fit(path, arrays, task.dataset, environment)
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


def _check_fit(path: Path, arrays: Arrays, dataset: str, environment: Any) -> None:
    """Raise `UserError` unless the row widths match the simulator's."""
    simulator = environment.unwrapped
    widths = {
        "observations": environment.observation_space.shape[0],
        "actions": environment.action_space.shape[0],
        "qpos": simulator.model.nq,
    }
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
