"""Episodes of uniformly random actions, to check that a task runs, not to learn from."""

from collections.abc import Generator
from typing import Any

import numpy as np

from fmq.base.seeding import global_numpy_seed
from fmq.data.unwrapped import Record, append_row, stacked


def random_script(width: int, generator: np.random.Generator) -> Generator[np.ndarray, Any, None]:
    """Yield actions of shape (width,), uniform in [-1, 1]; sent observations are ignored."""
    while True:
        yield generator.uniform(-1, 1, width)


def wander(simulator: Any, rows: int, seed: np.random.SeedSequence) -> dict[str, np.ndarray]:
    """Record one episode of an OGBench simulator from one of its own starts, ignoring goals.

    Args:
        simulator: from `fmq.data.unwrapped.make_unwrapped`.
        rows: number of states to record; the action of the last one is executed too.
        seed: the same seed gives the same episode, whatever the simulator ran before.

    Returns:
        the arrays of `fmq.data.unwrapped.stacked`.
    """
    streams = [int(word) for word in seed.generate_state(4, np.uint64)]
    script = random_script(simulator.action_space.shape[0], np.random.default_rng(streams[0]))
    record: Record = {}
    # The mazes draw their start from numpy's global generator.
    with global_numpy_seed(streams[1]):
        simulator.action_space.seed(streams[2])
        observation, _ = simulator.reset(seed=streams[3])
        for _ in range(rows):
            action = next(script).astype(np.float32)
            append_row(record, simulator, observation, action)
            observation, *_ = simulator.step(action)
    return stacked(record)
