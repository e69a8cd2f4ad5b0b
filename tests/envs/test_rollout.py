"""Lockstep rollouts, on a counter whose episodes are known in advance and in a real maze."""

import numpy as np
import pytest

from fmq.config.tasks import TaskSettings, parse_task
from fmq.envs.environment import Transition
from fmq.envs.ogbench import OGBenchEnvironment
from fmq.envs.rollout import Episode, rollout
from fmq.envs.simulators import LocalSimulators

MAZE = "pointmaze-medium-navigate-singletask-task1-v0"
HORIZON = 3


class Countdown:
    """The episode of seed n takes n steps; each pays its action, and odd n succeed."""

    def __init__(self) -> None:
        self.seed, self.left = 0, 0

    def reset(self, seed: int) -> np.ndarray:
        self.seed, self.left = seed, seed
        return self.observation()

    def observation(self) -> np.ndarray:
        return np.array([self.seed, self.left], np.float32)

    def step(self, action: np.ndarray) -> Transition:
        assert self.left > 0, "stepped after the end of the episode"
        self.left -= 1
        over, odd = self.left == 0, self.seed % 2 == 1
        return Transition(self.observation(), float(action[0]), over and odd, over and not odd, odd)


class Recorder:
    """Pays 1 per step, tens in the second step of a chunk, hundreds in the third."""

    def __init__(self) -> None:
        self.calls: list[list[tuple[float, float]]] = []

    def __call__(self, observations: np.ndarray) -> np.ndarray:
        self.calls.append([tuple(row) for row in observations.tolist()])
        chunk = np.array([[1.0], [10.0], [100.0]])
        return np.repeat(chunk[None], len(observations), 0)


def countdowns(count: int) -> LocalSimulators:
    return LocalSimulators([Countdown() for _ in range(count)])


def expected(seed: int) -> Episode:
    whole, rest = divmod(seed, HORIZON)
    return Episode(seed % 2 == 1, 111.0 * whole + [0.0, 1.0, 11.0][rest], seed)


@pytest.mark.parametrize("simulators", [1, 2, 3, 6, 10])
def test_results_follow_the_seeds_whatever_the_number_of_simulators(simulators: int) -> None:
    seeds = [5, 1, 12, 3, 3, 8]
    episodes = rollout(countdowns(simulators), Recorder(), seeds)
    assert episodes == [expected(seed) for seed in seeds]


@pytest.mark.parametrize(
    ("simulators", "seeds", "calls"),
    [
        # 2 is over within its first chunk, and 4 takes its simulator.
        (2, [7, 2, 4], [[(7, 7), (2, 2)], [(7, 4), (4, 4)], [(7, 1), (4, 1)]]),
        # Simulators without an episode are left out.
        (4, [1, 4], [[(1, 1), (4, 4)], [(4, 1)]]),
        # The rest of a chunk is dropped with its episode; the next one starts with its own.
        (1, [1, 2], [[(1, 1)], [(2, 2)]]),
        (1, [], []),
    ],
)
def test_one_policy_call_per_round_serves_the_running_episodes(
    simulators: int, seeds: list[int], calls: list[list[tuple[float, float]]]
) -> None:
    recorder = Recorder()
    episodes = rollout(countdowns(simulators), recorder, seeds)
    assert recorder.calls == calls
    assert episodes == [expected(seed) for seed in seeds]


def test_real_episodes_do_not_depend_on_the_number_of_simulators() -> None:
    task = parse_task(MAZE, TaskSettings(episode_limit=40))

    def mazes(count: int) -> LocalSimulators:
        return LocalSimulators([OGBenchEnvironment(task) for _ in range(count)])

    def act(observations: np.ndarray) -> np.ndarray:
        directions = np.sin(
            np.arange(1, 11).reshape(5, 2) + 10 * observations.sum(-1)[:, None, None]
        )
        return directions.astype(np.float32)

    seeds = [11, 12, 13, 14, 15]
    alone = rollout(mazes(1), act, seeds)
    together = rollout(mazes(3), act, seeds)
    assert alone == together
    assert [episode.length for episode in alone] == [40] * 5
    assert [episode.return_ for episode in alone] == [-40] * 5
