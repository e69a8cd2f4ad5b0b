"""Simulators of RoboMimic tasks, and of files in its format, behind the common interface."""

from pathlib import Path

import numpy as np

from fmq.config.datasets import training_file
from fmq.config.tasks import EPISODE_LIMITS, Task
from fmq.envs.environment import FloorPlan, Transition
from fmq.envs.rewards import task_reward
from fmq.envs.robosuite import (
    Observation,
    make_simulator,
    named_observation,
    observation_widths,
    read_env_args,
    reset_simulator,
)

CAMERA = "agentview"
"""The robosuite name of the camera that faces the robot across the table."""


class RobomimicEnvironment:
    """One simulator of a RoboMimic task; an episode ends at its first success."""

    def __init__(self, task: Task, folder: Path, size: int | None = None) -> None:
        """Make the simulator of the data file in `folder`.

        Args:
            size: width and height of pictures in pixels; None makes a simulator without graphics.

        Raises:
            UserError: the data file is missing, damaged, or from another task or an older
                robosuite; or the simulator cannot be made or lacks a requested observation.
        """
        env_args = read_env_args(folder / training_file(task.dataset), task.environment)
        self._simulator = make_simulator(env_args, pictures=size is not None)
        self._size = size
        self._keys = task.reading.observations
        widths = observation_widths(self._simulator, self._keys)
        self._limit = task.settings.episode_limit or EPISODE_LIMITS[task.environment]
        self._settings = task.settings
        self.observation_size = sum(widths.values())
        self.action_size = int(self._simulator.action_dim)
        self._steps = 0

    def reset(self, seed: int) -> np.ndarray:
        """Start the episode given by `seed` and return its first observation, shape (O,)."""
        self._steps = 0
        return self._vector(reset_simulator(self._simulator, seed))

    def step(self, action: np.ndarray) -> Transition:
        """Execute one action of shape (A,) in [-1, 1]; the reward is 0 on success and else -1."""
        raw, reward, _, _ = self._simulator.step(action)
        self._steps += 1
        success = bool(self._simulator._check_success())
        reward = 0.0 if success else float(reward) - 1
        return Transition(
            self._vector(named_observation(raw)),
            float(task_reward(reward, self._settings)),
            terminated=success,
            truncated=self._steps >= self._limit and not success,
            success=success,
        )

    def state(self) -> np.ndarray:
        """Return the simulator's positions (qpos)."""
        return np.array(self._simulator.sim.data.qpos)

    def floor_plan(self) -> FloorPlan | None:
        """Return None: RoboMimic has no mazes."""
        return None

    def picture(self, state: np.ndarray) -> np.ndarray:
        """Draw the current episode in one of its earlier states, from the front camera."""
        sim = self._simulator.sim
        sim.data.qpos[:] = state
        sim.forward()
        upside_down = sim.render(camera_name=CAMERA, width=self._size, height=self._size)
        return upside_down[::-1]

    def _vector(self, observation: Observation) -> np.ndarray:
        parts = [observation[key] for key in self._keys]
        return np.concatenate(parts).astype(np.float32)
