"""The interface between the simulators and the rest of the package."""

import math
from typing import NamedTuple, Protocol

import numpy as np


class Transition(NamedTuple):
    """The outcome of one environment step.

    Attributes:
        observation: next observation, float32, shape (O,).
        reward: the reward after the task's mapping (`sparse_reward`).
        terminated: whether the task ended; the mask is then 0.
        truncated: whether the time limit was reached; the mask stays 1.
        success: whether the task is solved.
    """

    observation: np.ndarray
    reward: float
    terminated: bool
    truncated: bool
    success: bool


class FloorPlan(NamedTuple):
    """A maze seen from above; lengths are in metres.

    Attributes:
        walls: True where a cell is a wall, shape (rows, columns); rows run along y.
        cell: the width of a cell.
        corner: the centre of cell (0, 0), shape (2,).
        goal: the position of the current episode's goal, shape (2,).
        reach: the distance to the goal within which it counts as reached.
    """

    walls: np.ndarray
    cell: float
    corner: np.ndarray
    goal: np.ndarray
    reach: float


def fault_of(transition: Transition) -> str | None:
    """Describe the non-finite value in a transition, or return None if all values are finite.

    A simulator that became unstable returns such values.
    """
    if not math.isfinite(transition.reward):
        return f"a reward of {transition.reward}"
    if not np.isfinite(transition.observation).all():
        return "an observation that is not finite"
    return None


class Environment(Protocol):
    """One simulator of a task; `action_size` is the action dimension A."""

    action_size: int

    def reset(self, seed: int) -> np.ndarray:
        """Start the episode given by `seed` and return its first observation, shape (O,)."""

    def step(self, action: np.ndarray) -> Transition:
        """Execute one action of shape (A,) with values in [-1, 1]."""


class Visible(Environment, Protocol):
    """A simulator whose episodes can be recorded and drawn."""

    def state(self) -> np.ndarray:
        """Return the state needed to draw the current frame, shape (S,); mazes put x, y first."""

    def floor_plan(self) -> FloorPlan | None:
        """Return the maze of the current episode, or None if the task is not a maze."""

    def picture(self, state: np.ndarray) -> np.ndarray:
        """Draw the current episode in one of its earlier states.

        The simulator must have been made with a picture size, and MuJoCo needs a graphics
        library. Do not step the episode afterwards.

        Returns:
            An RGB image, uint8, shape (size, size, 3).
        """
