"""Small files in RoboMimic's format, of any of robosuite's simulators."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fmq.config.datasets import GeneratedData, RandomData, ScriptedData
from fmq.data.demonstrations import demonstrate, make_env_args, write_demonstrations
from fmq.envs.robosuite import make_simulator

SIZES = {"episodes": 2, "validation_episodes": 1, "seed": 0}


def scripted(noise: float = 0.0, length: int = 60) -> ScriptedData:
    return ScriptedData(source="scripted", episode_length=length, action_noise=noise, **SIZES)


def random(length: int) -> RandomData:
    return RandomData(source="random", episode_length=length, **SIZES)


def write_episodes(
    path: Path, environment: str, kinds: Sequence[GeneratedData], training: int
) -> None:
    """One demonstration of each kind; the first `training` are in ``mask/train``."""
    simulator = make_simulator(make_env_args(environment))
    demonstrations = [
        demonstrate(simulator, kind, np.random.SeedSequence(number))
        for number, kind in enumerate(kinds)
    ]
    write_demonstrations(path, environment, demonstrations, training)


def write_random(path: Path, environment: str, episodes: int, steps: int) -> None:
    """Demonstrations of random actions; the last one is not in ``mask/train``."""
    write_episodes(path, environment, [random(steps)] * episodes, training=episodes - 1)
