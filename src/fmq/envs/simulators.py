"""Several simulators of a task, as a rollout asks of them, and those in this process."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from fmq.envs.environment import Environment, fault_of


class Stretch(NamedTuple):
    """What the actions of a chunk led to, up to the episode's end if that came first.

    Attributes:
        observation: the last one, float32, shape (O,).
        rewards: of every step.
        ended: the episode is over, terminated or truncated.
        success: the task is solved.
        fault: what the step after those of `rewards` gave that is not finite, in words.
    """

    observation: np.ndarray
    rewards: list[float]
    ended: bool
    success: bool
    fault: str | None = None


class Simulators(Protocol):
    """Simulators by their numbers, 0 and up."""

    def __len__(self) -> int:
        """How many there are."""

    def reset(self, seeds: dict[int, int]) -> dict[int, np.ndarray]:
        """Start episodes, by the simulator's number; returns their first observations."""

    def execute(self, chunks: dict[int, np.ndarray]) -> dict[int, Stretch]:
        """Execute chunks of shape (H, A) open loop, by the simulator's number."""

    def close(self) -> None:
        """End what would go on without the caller."""


class LocalSimulators:
    """Simulators in this process, one after the other."""

    def __init__(self, environments: Sequence[Environment]) -> None:
        self.environments = environments

    def __len__(self) -> int:
        """How many there are."""
        return len(self.environments)

    def reset(self, seeds: dict[int, int]) -> dict[int, np.ndarray]:
        """Start episodes, by the simulator's number; returns their first observations."""
        return {number: self.environments[number].reset(seed) for number, seed in seeds.items()}

    def execute(self, chunks: dict[int, np.ndarray]) -> dict[int, Stretch]:
        """Execute chunks of shape (H, A) open loop, by the simulator's number."""
        return {
            number: execute(self.environments[number], chunk) for number, chunk in chunks.items()
        }

    def close(self) -> None:
        """Nothing goes on without the caller."""


def execute(environment: Environment, chunk: np.ndarray) -> Stretch:
    """Run a chunk open loop, up to the episode's end if that comes first."""
    rewards: list[float] = []
    for action in chunk:
        result = environment.step(action)
        if fault := fault_of(result):
            return Stretch(result.observation, rewards, False, False, fault)
        rewards.append(result.reward)
        if result.terminated or result.truncated:
            return Stretch(result.observation, rewards, True, result.success)
    return Stretch(result.observation, rewards, False, result.success)
