"""The interface of a group of simulators, and its implementation within this process."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from fmq.envs.environment import Environment, fault_of


class Stretch(NamedTuple):
    """The outcome of executing a chunk, up to the end of the episode if that comes first.

    Attributes:
        observation: the last observation, float32, shape (O,).
        rewards: the reward of every step.
        ended: whether the episode is over, terminated or truncated.
        success: whether the task is solved.
        fault: describes a non-finite value in the step after those of `rewards`, else None.
    """

    observation: np.ndarray
    rewards: list[float]
    ended: bool
    success: bool
    fault: str | None = None


class Simulators(Protocol):
    """A group of simulators, numbered from 0."""

    def __len__(self) -> int:
        """Return the number of simulators."""

    def reset(self, seeds: dict[int, int]) -> dict[int, np.ndarray]:
        """Start an episode per simulator number; return the first observations by number."""

    def execute(self, chunks: dict[int, np.ndarray]) -> dict[int, Stretch]:
        """Execute a chunk of shape (H, A) open loop per simulator number."""

    def play(self, number: int, chunk: np.ndarray, following: int) -> Iterator[Any]:
        """Execute a chunk open loop in one simulator and return its outcome step by step.

        The next call for this simulator has to wait until everything was taken.

        Args:
            number: the simulator.
            chunk: actions, shape (H, A).
            following: the seed of the next episode, which starts at once when this one ends.

        Returns:
            The `Transition` of each action, up to the end of the episode if that comes first; then,
            after the end of an episode only, the first observation of the next one.
        """

    def close(self) -> None:
        """Stop everything that would outlive the caller."""


class LocalSimulators:
    """Simulators in this process, executed one after the other."""

    def __init__(self, environments: Sequence[Environment]) -> None:
        self.environments = environments

    def __len__(self) -> int:
        """Return the number of simulators."""
        return len(self.environments)

    def reset(self, seeds: dict[int, int]) -> dict[int, np.ndarray]:
        """Start an episode per simulator number; return the first observations by number."""
        return {number: self.environments[number].reset(seed) for number, seed in seeds.items()}

    def execute(self, chunks: dict[int, np.ndarray]) -> dict[int, Stretch]:
        """Execute a chunk of shape (H, A) open loop per simulator number."""
        return {
            number: execute(self.environments[number], chunk) for number, chunk in chunks.items()
        }

    def play(self, number: int, chunk: np.ndarray, following: int) -> Iterator[Any]:
        """Yield the outcome of a chunk; each step is executed when it is asked for."""
        environment = self.environments[number]
        for action in chunk:
            result = environment.step(action)
            yield result
            if fault_of(result):
                return
            if result.terminated or result.truncated:
                yield environment.reset(following)
                return

    def close(self) -> None:
        """Do nothing: nothing outlives the caller."""


def execute(environment: Environment, chunk: np.ndarray) -> Stretch:
    """Execute a chunk open loop, up to the end of the episode if that comes first."""
    rewards: list[float] = []
    for action in chunk:
        result = environment.step(action)
        if fault := fault_of(result):
            return Stretch(result.observation, rewards, False, False, fault)
        rewards.append(result.reward)
        if result.terminated or result.truncated:
            return Stretch(result.observation, rewards, True, result.success)
    return Stretch(result.observation, rewards, False, result.success)
