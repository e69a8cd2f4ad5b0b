"""Episodes that are followed, repeated and left, on a walk whose returns are known."""

import numpy as np
import pytest

from fmq.acting.branching import follow, returns, succeeded
from fmq.base.errors import UserError
from fmq.envs.environment import Transition
from fmq.envs.simulators import LocalSimulators

HORIZON, LIMIT, GOAL = 3, 10, 4.0


class Walk:
    """A walk with wind of its own from 0 to GOAL; each step costs 1, as long as it takes."""

    def reset(self, seed: int) -> np.ndarray:
        self.wind = np.random.default_rng(seed)
        self.place, self.steps = 0.0, 0
        return self.observation()

    def observation(self) -> np.ndarray:
        return np.array([self.place, self.steps], np.float32)

    def step(self, action: np.ndarray) -> Transition:
        self.place += float(action[0]) + 0.1 * self.wind.standard_normal()
        self.steps += 1
        there, over = self.place >= GOAL, self.steps == LIMIT
        return Transition(self.observation(), -1.0, there, over and not there, there)


class Fault(Walk):
    """A walk that ends in a value that is not finite, in its fifth step."""

    def step(self, action: np.ndarray) -> Transition:
        result = super().step(action)
        return result._replace(reward=float("nan")) if self.steps == 5 else result


def walks(count: int, kind: type[Walk] = Walk) -> LocalSimulators:
    return LocalSimulators([kind() for _ in range(count)])


def steady(speed: float):
    def act(observations: np.ndarray) -> np.ndarray:
        return np.full((len(observations), HORIZON, 1), speed, np.float32)

    return act


def test_a_repeated_episode_is_the_same_and_a_branch_is_not() -> None:
    (first, second) = follow(walks(2), [5, 6], [(), ()], steady(0.2))
    script = [one.chunk for one in second]
    other = [*script[:1], np.full((HORIZON, 1), 0.9, np.float32)]
    again, branch = follow(walks(3), [6, 6], [script[:2], other], steady(0.2))
    assert len(again) == len(second) == 4
    for one, repeated in zip(second, again, strict=True):
        assert (one.observation == repeated.observation).all()
        assert (one.chunk == repeated.chunk).all()
        assert one.stretch.rewards == repeated.stretch.rewards
    assert (branch[1].observation == second[1].observation).all()
    assert (branch[2].observation > second[2].observation + 1).any()
    assert (first[1].observation != second[1].observation).any()


def test_the_policy_acts_where_the_script_is_over() -> None:
    seen = []

    def act(observations: np.ndarray) -> np.ndarray:
        seen.append(observations[:, 1].tolist())
        return steady(0.0)(observations)

    chunk = np.zeros((HORIZON, 1), np.float32)
    episodes = follow(walks(3), [1, 2, 3], [[chunk] * 2, (), [chunk] * 9], act)
    assert seen == [[0], [3], [6, 6], [9, 9]]
    assert [len(episode) for episode in episodes] == [4, 4, 4]  # no more of a script than fits


def test_an_episode_that_is_not_solved_goes_on_for_ever() -> None:
    fast, slow = follow(walks(2), [1, 1], [[np.ones((HORIZON, 1), np.float32)] * 9, ()], steady(0))
    assert succeeded(fast)
    assert not succeeded(slow)
    steps = sum(len(one.stretch.rewards) for one in fast)
    assert steps < LIMIT
    assert returns(fast, 0.5)[0] == pytest.approx(sum(-(0.5**n) for n in range(steps)))
    assert returns(fast, 0.5)[1] == pytest.approx(sum(-(0.5**n) for n in range(steps - HORIZON)))
    assert returns(slow, 0.5) == pytest.approx([-2] * 4)  # -1 for ever, wherever it is cut off
    assert returns(slow, 0.9) == pytest.approx([-10] * 4)


def test_a_fault_is_told_with_its_step() -> None:
    with pytest.raises(UserError, match="a reward of nan at step 5 of episode 1"):
        follow(walks(1, Fault), [0], [()], steady(0))
