"""The reward that runs learn from, of data and simulators alike."""

from typing import Any

import numpy as np

from fmq.config.tasks import TaskSettings


def task_reward(reward: Any, settings: TaskSettings) -> Any:
    """Return a suite's rewards as the task's settings map them.

    Args:
        reward: number or array of any shape, in OGBench's convention: 0 at success, less before.
    """
    if settings.sparse_reward:
        return np.where(reward != 0, np.asarray(-1, np.asarray(reward).dtype), reward)
    return reward
