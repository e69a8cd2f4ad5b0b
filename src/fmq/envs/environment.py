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


def make_environment(task: Task, folder: Path) -> Environment:
    """A simulator of `task`.

    Args:
        folder: of the task's data set; RoboMimic's files say how their simulator was made.

    Raises:
        UserError: the folder has no such file, or its simulator cannot be made.
    """
    if task.suite == "robomimic":
        from fmq.envs.robomimic import RobomimicEnvironment

        return RobomimicEnvironment(task, folder)
    from fmq.envs.ogbench import OGBenchEnvironment

    return OGBenchEnvironment(task)
