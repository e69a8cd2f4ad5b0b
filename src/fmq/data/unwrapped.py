"""OGBench's simulators without gymnasium's wrappers, and the record of an episode in them."""

from typing import Any

import numpy as np

Record = dict[str, list[np.ndarray]]
"""The rows of an episode so far, by the names of the arrays in OGBench's files."""


def is_maze(name: str) -> bool:
    """Return whether a simulator or data set is a maze, a soccer field included."""
    return "maze" in name or "soccer" in name


def make_unwrapped(environment: str) -> Any:
    """Return a simulator whose episodes never end; wrappers cost time and end long episodes.

    A manipulator is in data-collection mode, so it draws targets.

    Args:
        environment: the gymnasium id without a task, e.g. ``cube-double-v0``.
    """
    import gymnasium
    import ogbench  # noqa: F401  registers the environments

    mode: dict[str, Any] = {} if is_maze(environment) else {"mode": "data_collection"}
    return gymnasium.make(
        environment, terminate_at_goal=False, disable_env_checker=True, **mode
    ).unwrapped


def append_row(record: Record, simulator: Any, observation: Any, action: np.ndarray) -> None:
    """Append an observation, the simulator's state behind it, and the action that comes next."""
    row = {"observations": observation, "actions": action}
    row |= {"qpos": simulator.data.qpos, "qvel": simulator.data.qvel}
    for name, value in row.items():
        record.setdefault(name, []).append(np.array(value, np.float32))
    if hasattr(simulator, "_cur_button_states"):
        buttons = np.array(simulator._cur_button_states, np.int64)
        record.setdefault("button_states", []).append(buttons)


def stacked(record: Record) -> dict[str, np.ndarray]:
    """Return arrays (rows, width): float32 ``observations``, ``actions``, ``qpos`` and ``qvel``.

    Scene and puzzle also have int64 ``button_states``.
    """
    return {name: np.stack(values) for name, values in record.items()}
