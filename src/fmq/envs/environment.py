"""What a simulator of a task is to the rest of the package, and how to get one."""

import math
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

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


class FloorPlan(NamedTuple):
    """A maze from above; lengths are in metres.

    Attributes:
        walls: whether each cell is one, shape (rows, columns); rows lie along y.
        cell: width of a cell.
        corner: centre of cell (0, 0), shape (2,).
        goal: centre of the present episode's goal, shape (2,).
        reach: distance to it that counts as there.
    """

    walls: np.ndarray
    cell: float
    corner: np.ndarray
    goal: np.ndarray
    reach: float


def fault_of(transition: Transition) -> str | None:
    """What in a transition is not finite, in words: a simulator that became unstable."""
    if not math.isfinite(transition.reward):
        return f"a reward of {transition.reward}"
    if not np.isfinite(transition.observation).all():
        return "an observation that is not finite"
    return None


class Environment(Protocol):
    """One simulator of a task; `action_size` is A."""

    action_size: int

    def reset(self, seed: int) -> np.ndarray:
        """Start the episode that `seed` names; returns its first observation, shape (O,)."""

    def step(self, action: np.ndarray) -> Transition:
        """Execute one action of shape (A,), in [-1, 1]."""


class Visible(Environment, Protocol):
    """A simulator whose episodes can be recorded and drawn."""

    def state(self) -> np.ndarray:
        """All that a picture of this moment needs, shape (S,); in a maze, x and y come first."""

    def floor_plan(self) -> FloorPlan | None:
        """The maze of the present episode; None where there is none."""

    def picture(self, state: np.ndarray) -> np.ndarray:
        """The present episode in a state that it had: RGB, uint8, shape (size, size, 3).

        Wants a simulator that was made for pictures, and a graphics library; the episode is not to
        be stepped any more.
        """


def make_environment(task: Task, folder: Path, size: int | None = None) -> Visible:
    """A simulator of `task`.

    Args:
        folder: of the task's data set; RoboMimic's files say how their simulator was made.
        size: width and height of pictures; None makes a simulator without graphics.

    Raises:
        UserError: the folder has no such file, or its simulator cannot be made.
    """
    if task.suite == "robomimic":
        from fmq.envs.robomimic import RobomimicEnvironment

        return RobomimicEnvironment(task, folder, size)
    from fmq.envs.ogbench import OGBenchEnvironment

    return OGBenchEnvironment(task, size)
