"""Evaluation rollouts: several simulators, one batched policy call per chunk."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from fmq.envs.environment import Environment, fault_of
from fmq.errors import UserError

Act = Callable[[np.ndarray], np.ndarray]


class Episode(NamedTuple):
    """Result of one evaluation episode; `return_` is the undiscounted sum of rewards."""

    success: bool
    return_: float
    length: int


class _Running(NamedTuple):
    environment: Environment
    number: int
    observation: np.ndarray
    return_: float
    length: int


def rollout(environments: Sequence[Environment], act: Act, seeds: Sequence[int]) -> list[Episode]:
    """One episode per seed, in the order of the seeds.

    In each round one policy call serves every running episode, and every simulator executes its
    whole chunk; a simulator that finished takes the next episode, and leaves when none is left.

    Args:
        act: chunks (batch, H, A) for observations (batch, O).
    """
    waiting = iter(enumerate(seeds))
    running = [start for env in environments if (start := _start(env, waiting))]
    episodes: dict[int, Episode] = {}
    while running:
        chunks = act(np.stack([one.observation for one in running]))
        after = [_execute(one, chunk) for one, chunk in zip(running, chunks, strict=True)]
        running = []
        for one in after:
            if isinstance(one, _Running):
                running.append(one)
                continue
            environment, index, episode = one
            episodes[index] = episode
            if start := _start(environment, waiting):
                running.append(start)
    return [episodes[index] for index in range(len(seeds))]


def _start(environment: Environment, waiting: Iterator[tuple[int, int]]) -> _Running | None:
    following = next(waiting, None)
    if following is None:
        return None
    index, seed = following
    return _Running(environment, index, environment.reset(seed), 0.0, 0)


def _execute(one: _Running, chunk: np.ndarray) -> _Running | tuple[Environment, int, Episode]:
    """Run a chunk open loop, up to the episode's end if that comes first."""
    return_, length = one.return_, one.length
    for action in chunk:
        result = one.environment.step(action)
        if fault := fault_of(result):
            raise UserError(
                f"evaluation: the simulator gave {fault} at step {length + 1} of episode "
                f"{one.number + 1}, and would do so again; leave this task or seed out"
            )
        return_, length = return_ + result.reward, length + 1
        if result.terminated or result.truncated:
            return one.environment, one.number, Episode(result.success, return_, length)
    return one._replace(observation=result.observation, return_=return_, length=length)
