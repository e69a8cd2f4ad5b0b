"""The tasks of RoboMimic, and of files in its format, behind the interface of all simulators."""

from pathlib import Path

import numpy as np

from fmq.datasets import training_file
from fmq.envs.environment import FloorPlan, Transition
from fmq.envs.robosuite import (
    Observation,
    make_simulator,
    named_observation,
    observation_widths,
    read_env_args,
    reset_simulator,
)
from fmq.tasks import Task

EPISODE_LIMITS = {"Lift": 300, "PickPlaceCan": 300, "NutAssemblySquare": 400}
"""Control steps (of 1/20 s) per episode, by robosuite's name of the task."""

CAMERA = "agentview"
"""robosuite's name for the camera across the table."""


class RobomimicEnvironment:
    """One simulator of a RoboMimic task; an episode ends at its first success."""

    def __init__(self, task: Task, folder: Path, size: int | None = None) -> None:
        """Make the simulator of the data file in `folder`.

        Args:
            size: width and height of pictures; None makes a simulator without graphics.

        Raises:
            UserError: the folder has no such file, it is damaged, of another task or of an older
                robosuite, its simulator cannot be made, or it shows no such observations.
        """
        env_args = read_env_args(folder / training_file(task.dataset), task.environment)
        self._simulator = make_simulator(env_args, pictures=size is not None)
        self._size = size
        self._keys = task.reading.observations
        widths = observation_widths(self._simulator, self._keys)
        self._limit = task.settings.episode_limit or EPISODE_LIMITS[task.environment]
        self._sparse = task.settings.sparse_reward
        self.observation_size = sum(widths.values())
        self.action_size = int(self._simulator.action_dim)
        self._steps = 0

    def reset(self, seed: int) -> np.ndarray:
        """Start the episode that `seed` names; returns its first observation, shape (O,)."""
        self._steps = 0
        return self._vector(reset_simulator(self._simulator, seed))

    def step(self, action: np.ndarray) -> Transition:
        """Execute one action of shape (A,), in [-1, 1]; the reward is -1, and 0 on success."""
        raw, reward, _, _ = self._simulator.step(action)
        self._steps += 1
        success = bool(self._simulator._check_success())
        reward = 0.0 if success else float(reward) - 1
        return Transition(
            self._vector(named_observation(raw)),
            -1.0 if self._sparse and reward != 0 else reward,
            terminated=success,
            truncated=self._steps >= self._limit and not success,
            success=success,
        )

    def state(self) -> np.ndarray:
        """The simulator's positions."""
        return np.array(self._simulator.sim.data.qpos)

    def floor_plan(self) -> FloorPlan | None:
        """There is no maze."""
        return None

    def picture(self, state: np.ndarray) -> np.ndarray:
        """The present episode in a state that it had, as the camera before the robot sees it."""
        sim = self._simulator.sim
        sim.data.qpos[:] = state
        sim.forward()
        upside_down = sim.render(camera_name=CAMERA, width=self._size, height=self._size)
        return upside_down[::-1]

    def _vector(self, observation: Observation) -> np.ndarray:
        parts = [observation[key] for key in self._keys]
        return np.concatenate(parts).astype(np.float32)
