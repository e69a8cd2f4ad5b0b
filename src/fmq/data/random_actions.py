"""Episodes of uniformly random actions, to check that a task runs, not to learn from."""

from collections.abc import Generator
from typing import Any

import numpy as np

from fmq.base.seeding import global_numpy_seed


def random_script(width: int, generator: np.random.Generator) -> Generator[np.ndarray, Any, None]:
    """Yield actions of shape (width,), uniform in [-1, 1]; sent observations are ignored."""
    while True:
        yield generator.uniform(-1, 1, width)


def wander(simulator: Any, rows: int, seed: np.random.SeedSequence) -> dict[str, np.ndarray]:
    """Record one episode of an OGBench simulator from one of its own starts, ignoring goals.

    Args:
        simulator: a simulator whose episodes never end, from `maze_expert.make_maze` or
            `manipulation_expert.make_manipulator`.
        rows: number of states to record; the action of the last one is executed too.
        seed: the same seed gives the same episode, whatever the simulator ran before.

    Returns:
        float32 ``observations`` (rows, obs), ``actions`` (rows, A), ``qpos`` (rows, nq), ``qvel``
        (rows, nv); scene and puzzle also int64 ``button_states`` (rows, buttons).
    """
    streams = [int(word) for word in seed.generate_state(4, np.uint64)]
    script = random_script(simulator.action_space.shape[0], np.random.default_rng(streams[0]))
    record: dict[str, list[np.ndarray]] = {}
    # The mazes draw their start from numpy's global generator.
    with global_numpy_seed(streams[1]):
        simulator.action_space.seed(streams[2])
        observation, _ = simulator.reset(seed=streams[3])
        for _ in range(rows):
            action = next(script).astype(np.float32)
            row = {"observations": observation, "actions": action, **_state(simulator)}
            for name, value in row.items():
                kind = np.int64 if name == "button_states" else np.float32
                record.setdefault(name, []).append(np.array(value, kind))
            observation, *_ = simulator.step(action)
    return {name: np.stack(values) for name, values in record.items()}


def _state(simulator: Any) -> dict[str, np.ndarray]:
    """Return positions, velocities and button states at the current observation."""
    state = {"qpos": simulator.data.qpos, "qvel": simulator.data.qvel}
    if hasattr(simulator, "_cur_button_states"):
        state["button_states"] = simulator._cur_button_states
    return state
