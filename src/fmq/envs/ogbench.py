"""OGBench simulators behind the interface that rollouts and online training use."""

import numpy as np

from fmq.envs.environment import Transition
from fmq.seeding import global_numpy_seed
from fmq.tasks import Task


class OGBenchEnvironment:
    """One simulator of a single-task problem."""

    def __init__(self, task: Task) -> None:
        import gymnasium
        import ogbench  # noqa: F401  (registers the simulators)

        limit = {"max_episode_steps": task.settings.episode_limit}
        given = {key: value for key, value in limit.items() if value is not None}
        self._env = gymnasium.make(task.environment, disable_env_checker=True, **given)
        self._sparse = task.settings.sparse_reward
        self.action_size = gymnasium.spaces.flatdim(self._env.action_space)

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
