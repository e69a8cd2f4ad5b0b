"""Follow episodes in simulators: repeat them up to a decision, and go on from there.

Simulators are deterministic to the bit from a reset seed, so a state is reached again by repeating
the chunks that led to it. No simulator has to save its state.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from fmq.envs.rollout import Act, refuse_fault
from fmq.envs.simulators import Simulators, Stretch


class Decision(NamedTuple):
    """A chunk that was executed, and what came of it.

    Attributes:
        observation: the observation before it, shape (O,).
        chunk: the chunk, shape (H, A).
        stretch: what the simulator returned.
    """

    observation: np.ndarray
    chunk: np.ndarray
    stretch: Stretch


Episode = list[Decision]
"""The decisions of an episode, from its start to its end."""


def follow(
    simulators: Simulators,
    seeds: Sequence[int],
    scripts: Sequence[Sequence[np.ndarray]],
    act: Act,
) -> list[Episode]:
    """Run one episode per seed in lockstep; each executes its script and then follows the policy.

    Args:
        simulators: where the episodes run, at least one per seed.
        seeds: one seed per episode.
        scripts: the first chunks of each episode, of shape (H, A); what is left of them when the
            episode ends is not executed.
        act: the policy; maps observations (batch, O) of the episodes whose script is over, in
            their order, to action chunks (batch, H, A).

    Raises:
        UserError: a simulator returned a value that is not finite.
    """
    episodes: list[Episode] = [[] for _ in seeds]
    started = simulators.reset(dict(enumerate(seeds)))
    running = {place: started[place] for place in range(len(seeds))}
    decision = 0
    while running:
        chunks = _next_chunks(running, scripts, act, decision)
        stretches = simulators.execute(chunks)
        for place, chunk in chunks.items():
            stretch = stretches[place]
            refuse_fault(stretch, decision * len(chunk) + len(stretch.rewards), place)
            episodes[place].append(Decision(running[place], chunk, stretch))
        running = {
            place: stretches[place].observation for place in running if not stretches[place].ended
        }
        decision += 1
    return episodes


def _next_chunks(
    running: dict[int, np.ndarray],
    scripts: Sequence[Sequence[np.ndarray]],
    act: Act,
    decision: int,
) -> dict[int, np.ndarray]:
    """Return the chunk of each running episode: from its script or, after it, from the policy."""
    free = [place for place in running if decision >= len(scripts[place])]
    acted = act(np.stack([running[place] for place in free])) if free else ()
    chosen = dict(zip(free, acted, strict=True))
    return {
        place: chosen[place] if place in chosen else scripts[place][decision] for place in running
    }


def succeeded(episode: Episode) -> bool:
    """Return whether the task is solved at the end of an episode."""
    return episode[-1].stretch.success


def returns(episode: Episode, discount: float) -> list[float]:
    """Return the discounted sum of rewards from each decision on, per environment step.

    Critics do not know the time limit, so an episode that is not solved goes on with its last
    reward r for ever: after n steps, gamma^n r / (1 - gamma) is added.
    """
    return [*_returns_backwards(episode, discount)][::-1]


def _returns_backwards(episode: Episode, discount: float) -> Iterator[float]:
    last = episode[-1].stretch.rewards[-1]
    value = 0.0 if succeeded(episode) else last / (1 - discount)
    for decision in reversed(episode):
        for reward in reversed(decision.stretch.rewards):
            value = reward + discount * value
        yield value
