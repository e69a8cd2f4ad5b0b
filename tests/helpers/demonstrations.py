"""Small files in RoboMimic's format, of any of robosuite's simulators."""

from pathlib import Path

import numpy as np

from fmq.config.datasets import RandomData
from fmq.data.demonstrations import demonstrate, make_env_args, write_demonstrations
from fmq.envs.robosuite import make_simulator


def write_random(path: Path, environment: str, episodes: int, steps: int) -> None:
    """Demonstrations of random actions; the last one is not in ``mask/train``."""
    simulator = make_simulator(make_env_args(environment))
    settings = RandomData(
        source="random", episodes=2, validation_episodes=1, episode_length=steps, seed=0
    )
    demonstrations = [
        demonstrate(simulator, settings, np.random.SeedSequence(number))
        for number in range(episodes)
    ]
    write_demonstrations(path, environment, demonstrations, training=episodes - 1)
