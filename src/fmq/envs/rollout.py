"""Evaluation rollouts: several simulators, one batched policy call per chunk."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from fmq.envs.simulators import Simulators, Stretch
from fmq.errors import UserError

Act = Callable[[np.ndarray], np.ndarray]


class Episode(NamedTuple):
    """Result of one evaluation episode; `return_` is the undiscounted sum of rewards."""

    success: bool
    return_: float
    length: int


class _Running(NamedTuple):
    number: int
    observation: np.ndarray
    return_: float = 0.0
    length: int = 0


def rollout(simulators: Simulators, act: Act, seeds: Sequence[int]) -> list[Episode]:
    """One episode per seed, in the order of the seeds.

    In each round one policy call serves every running episode, and every simulator executes its
    whole chunk; a simulator that finished takes the next episode, and leaves when none is left.

    Args:
        act: chunks (batch, H, A) for observations (batch, O).

    Raises:
        UserError: a simulator gave a number that is not finite.
    """
    waiting = iter(enumerate(seeds))
    running = _started(simulators, range(len(simulators)), waiting)
    episodes: dict[int, Episode] = {}
    while running:
        chunks = act(np.stack([one.observation for one in running.values()]))
        stretches = simulators.execute(dict(zip(running, chunks, strict=True)))
        running = {place: _after(one, stretches[place]) for place, one in running.items()}
        free = [place for place in running if stretches[place].ended]
        for place in free:
            one = running[place]
            episodes[one.number] = Episode(stretches[place].success, one.return_, one.length)
        started = _started(simulators, free, waiting)
        running |= started  # each in the row of the one before it
        for place in free[len(started) :]:
            del running[place]
    return [episodes[index] for index in range(len(seeds))]


def _started(
    simulators: Simulators, free: Sequence[int], waiting: Iterator[tuple[int, int]]
) -> dict[int, _Running]:
    """The next episodes, as far as there are any, by the simulator that takes them."""
    starts = dict(zip(free, waiting, strict=False))  # in this order: none is taken for nobody
    observations = simulators.reset({place: seed for place, (_, seed) in starts.items()})
    return {place: _Running(number, observations[place]) for place, (number, _) in starts.items()}


def _after(one: _Running, stretch: Stretch) -> _Running:
    """An episode after what a chunk led to."""
    return_, length = one.return_, one.length + len(stretch.rewards)
    if stretch.fault:
        raise UserError(
            f"evaluation: the simulator gave {stretch.fault} at step {length + 1} of episode "
            f"{one.number + 1}, and would do so again; leave this task or seed out"
        )
    for reward in stretch.rewards:  # one by one: a sum of sums rounds differently
        return_ += reward
    return one._replace(observation=stretch.observation, return_=return_, length=length)
