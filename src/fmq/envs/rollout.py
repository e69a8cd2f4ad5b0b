"""Evaluation rollouts: several simulators with one batched policy call per chunk."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from fmq.base.errors import UserError
from fmq.envs.simulators import Simulators, Stretch

Act = Callable[[np.ndarray], np.ndarray]


class Episode(NamedTuple):
    """The result of one evaluation episode; `return_` is the undiscounted sum of rewards."""

    success: bool
    return_: float
    length: int


class _Running(NamedTuple):
    number: int
    observation: np.ndarray
    return_: float = 0.0
    length: int = 0


def rollout(simulators: Simulators, act: Act, seeds: Sequence[int]) -> list[Episode]:
    """Run one episode per seed and return the results in the order of the seeds.

    Each round makes one policy call for all running episodes, and every simulator executes its
    whole chunk. A simulator whose episode ended takes the next one, or drops out if none is left.

    Args:
        simulators: where the episodes run.
        act: the policy; maps observations (batch, O) to action chunks (batch, H, A).
        seeds: one seed per episode.

    Raises:
        UserError: a simulator returned a value that is not finite.
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
        running |= started  # a new episode keeps its simulator's row in the batch
        for place in free[len(started) :]:
            del running[place]
    return [episodes[index] for index in range(len(seeds))]


def _started(
    simulators: Simulators, free: Sequence[int], waiting: Iterator[tuple[int, int]]
) -> dict[int, _Running]:
    """Start the next waiting episodes in free simulators and return them by simulator."""
    starts = dict(zip(free, waiting, strict=False))  # `free` first, so zip takes no seed in vain
    observations = simulators.reset({place: seed for place, (_, seed) in starts.items()})
    return {place: _Running(number, observations[place]) for place, (number, _) in starts.items()}


def _after(one: _Running, stretch: Stretch) -> _Running:
    """Return the episode after the steps of one chunk."""
    return_, length = one.return_, one.length + len(stretch.rewards)
    refuse_fault(stretch, length, one.number)
    for reward in stretch.rewards:  # one by one, because a sum of sums rounds differently
        return_ += reward
    return one._replace(observation=stretch.observation, return_=return_, length=length)


def refuse_fault(stretch: Stretch, length: int, number: int) -> None:
    """Raise `UserError` if a stretch ended in a value that is not finite.

    Args:
        length: steps of the episode up to the fault.
        number: the episode, counted from 0.
    """
    if stretch.fault:
        raise UserError(
            f"the simulator gave {stretch.fault} at step {length + 1} of episode "
            f"{number + 1}, and a rerun would too; leave out this task or seed"
        )
