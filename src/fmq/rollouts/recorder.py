"""A simulator that keeps the states of some of its episodes."""

from collections.abc import Iterable

import numpy as np

from fmq.envs.environment import FloorPlan, Transition, Visible
from fmq.rollouts.files import Recorded


class Recorder:
    """A simulator that records the states of the episodes whose seeds are in `kept`."""

    def __init__(self, environment: Visible, kept: Iterable[int]) -> None:
        self.environment = environment
        self.action_size = environment.action_size
        self.kept = {*kept}
        self.taken: dict[int, tuple[FloorPlan | None, list[np.ndarray]]] = {}
        self.states: list[np.ndarray] | None = None

    def reset(self, seed: int) -> np.ndarray:
        """Reset the simulator and, if the episode is kept, record its first state."""
        observation = self.environment.reset(seed)
        self.states = None
        if seed in self.kept:
            self.states = [self.environment.state()]
            self.taken[seed] = self.environment.floor_plan(), self.states
        return observation

    def step(self, action: np.ndarray) -> Transition:
        """Step the simulator and, if the episode is kept, record its state."""
        transition = self.environment.step(action)
        if self.states is not None:
            self.states.append(self.environment.state())
        return transition

    def recorded(self, number: int, start: int, success: bool) -> Recorded:
        """Return the episode that began with the seed `start`, which this simulator ran.

        Args:
            number: the number that the episode is shown with.
            start: its seed.
            success: whether it was solved.
        """
        plan, states = self.taken[start]
        return Recorded(number, start, success, np.stack(states).astype(np.float32), plan)
