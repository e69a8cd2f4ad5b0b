"""OGBench simulators behind the interface that rollouts and online training use."""

from typing import NamedTuple

import numpy as np

from fmq.seeding import global_numpy_seed
from fmq.tasks import Task


class Transition(NamedTuple):
    """Outcome of one environment step.

    Attributes:
        observation: next observation, float32, shape (O,).
        reward: after the task's own mapping (`sparse_reward`).
        terminated: the task ended; its mask is 0.
        truncated: the time limit was met; its mask stays 1.
        success: the task is solved.
    """

    observation: np.ndarray
    reward: float
    terminated: bool
    truncated: bool
    success: bool


class Environment:
    """One simulator of a single-task problem."""

    def __init__(self, task: Task) -> None:
        import gymnasium
        import ogbench  # noqa: F401  (registers the simulators)

        limit = {"max_episode_steps": task.settings.episode_limit}
        given = {key: value for key, value in limit.items() if value is not None}
        self._env = gymnasium.make(task.environment, disable_env_checker=True, **given)
        self._sparse = task.settings.sparse_reward

    def reset(self, seed: int) -> np.ndarray:
        """Start the episode that `seed` names; returns its first observation, shape (O,).

        The mazes draw their start from numpy's global generator, so it is lent to them.
        """
        self._env.action_space.seed(seed % 2**32)
        with global_numpy_seed(seed):
            observation, _ = self._env.reset(seed=seed)
        return observation.astype(np.float32)

    def step(self, action: np.ndarray) -> Transition:
        """Execute one action of shape (A,), in [-1, 1]."""
        observation, reward, terminated, truncated, info = self._env.step(action)
        if self._sparse and reward != 0:
            reward = -1.0
        return Transition(
            observation.astype(np.float32),
            float(reward),
            bool(terminated),
            bool(truncated),
            bool(info["success"]),
        )
