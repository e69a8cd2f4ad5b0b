"""Pictures of recorded episodes, drawn from their states by the simulator that they ran in."""

from math import ceil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fmq.envs.environment import make_environment
from fmq.rollouts.files import Recorded, Rollouts
from fmq.tasks import Task

SIZE = 240
FRAMES = 50
"""At most so many after the first, of the longest episode."""


class Frame(NamedTuple):
    """A picture, RGB of shape (SIZE, SIZE, 3), and how many steps were made before it."""

    step: int
    picture: np.ndarray


def draw_frames(task: Task, folder: Path, rollouts: Rollouts) -> list[list[Frame]]:
    """Every so many steps of each episode, the same for all, and each one's end.

    Wants MUJOCO_GL to be set to what works, before MuJoCo is first imported.

    Args:
        folder: of the task's data set.
    """
    every = max(1, ceil(max(one.length for one in rollouts.shown) / FRAMES))
    environment = make_environment(task, folder, SIZE)
    films = []
    for episode in rollouts.shown:
        environment.reset(episode.start)
        # OGBench shows where cubes belong from the first step on.
        environment.step(np.zeros(environment.action_size))
        films.append(
            [
                Frame(step, environment.picture(episode.states[step].astype(np.float64)))
                for step in _steps(episode, every)
            ]
        )
    return films


def _steps(episode: Recorded, every: int) -> list[int]:
    return [*range(0, episode.length, every), episode.length]
