"""OGBench simulators behind the interface that rollouts and online training use."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from fmq.base.seeding import derive_seed, global_numpy_seed
from fmq.config.tasks import Task, is_maze
from fmq.envs.environment import FloorPlan, Transition
from fmq.envs.rewards import task_reward

_TIMING = {"before": "pre", "after": "post"}
"""OGBench's words for the state on which a step's success is judged."""


class OGBenchEnvironment:
    """One simulator of an OGBench single-task environment."""

    def __init__(self, task: Task, size: int | None = None) -> None:
        """Make the simulator; `size` is the width and height of pictures in pixels."""
        import gymnasium
        import ogbench  # noqa: F401  (registers the simulators)

        options: dict[str, Any] = {
            "success_timing": _TIMING[task.settings.success_timing],
            "max_episode_steps": task.settings.episode_limit,
            "width": size,
            "height": size,
        }
        given = {key: value for key, value in options.items() if value is not None}
        self._env = gymnasium.make(task.environment, disable_env_checker=True, **given)
        self._simulator: Any = self._env.unwrapped
        self._maze = is_maze(task.name)
        self._settings = task.settings
        self._teleports = "-teleport-" in task.environment
        self._seed = self._steps = 0
        self.action_size = gymnasium.spaces.flatdim(self._env.action_space)

    def reset(self, seed: int) -> np.ndarray:
        """Start the episode given by `seed` and return its first observation, shape (O,).

        The mazes draw their start from numpy's global generator, which is seeded for this call
        and restored afterwards.
        """
        self._seed, self._steps = seed, 0
        self._env.action_space.seed(seed % 2**32)
        with global_numpy_seed(seed):
            observation, _ = self._env.reset(seed=seed)
        return observation.astype(np.float32)

    def step(self, action: np.ndarray) -> Transition:
        """Execute one action of shape (A,) with values in [-1, 1]."""
        with self._randomness():
            observation, reward, terminated, truncated, info = self._env.step(action)
        self._steps += 1
        return Transition(
            observation.astype(np.float32),
            float(task_reward(reward, self._settings)),
            bool(terminated),
            bool(truncated),
            bool(info["success"]),
        )

    def state(self) -> np.ndarray:
        """Return the positions and, in scene and puzzle, the button states."""
        simulator = self._simulator
        return np.concatenate([simulator.data.qpos, getattr(simulator, "_cur_button_states", ())])

    def floor_plan(self) -> FloorPlan | None:
        """Return the maze of the current episode, or None if the task is not a maze."""
        if not self._maze:
            return None
        maze = self._simulator
        return FloorPlan(
            maze.maze_map == 1,
            maze._maze_unit,
            np.array([-maze._offset_x, -maze._offset_y], float),
            np.array(maze.cur_goal_xy),
            maze._goal_tol,
        )

    def picture(self, state: np.ndarray) -> np.ndarray:
        """Draw the current episode in one of its earlier states."""
        simulator = self._simulator
        positions, buttons = np.split(state, [simulator.model.nq])
        lit = [buttons.astype(int)] if len(buttons) else []
        simulator.set_state(positions, np.zeros(simulator.model.nv), *lit)
        return simulator.render()

    def _randomness(self) -> AbstractContextManager[None]:
        """Seed numpy's global generator in teleport mazes, which draw the destination from it."""
        if not self._teleports:
            return nullcontext()
        return global_numpy_seed(derive_seed(self._seed, "teleport", self._steps))
