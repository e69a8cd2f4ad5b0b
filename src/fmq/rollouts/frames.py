"""Draw pictures of recorded episodes from their states, with the simulator of their task."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fmq.config.tasks import Task
from fmq.envs.making import make_environment
from fmq.rollouts.files import Recorded

SIZE = 240
FRAMES = 50
"""Maximum number of frames of the longest episode, after its first one."""


class Frame(NamedTuple):
    """A picture, RGB of shape (SIZE, SIZE, 3), and the number of steps taken before it."""

    step: int
    picture: np.ndarray


def draw_frames(task: Task, folder: Path, episodes: Sequence[Recorded]) -> list[list[Frame]]:
    """Draw frames of each episode at the same fixed interval of steps, and its last state.

    `fmq.envs.graphics.choose_graphics` must have found a library before MuJoCo is first imported.

    Args:
        task: the task of the episodes.
        folder: the data set's folder.
        episodes: the recorded episodes.
    """
    every = max(1, ceil(max(one.length for one in episodes) / FRAMES))
    environment = make_environment(task, folder, SIZE)
    films = []
    for episode in episodes:
        environment.reset(episode.start)
        # OGBench shows the cubes' targets only after the first step.
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
