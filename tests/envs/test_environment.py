"""The real simulators: seeds, rewards, ends of episodes."""

import numpy as np
import pytest

from fmq.config.tasks import TaskSettings, parse_task
from fmq.envs.ogbench import OGBenchEnvironment

MAZE = "pointmaze-medium-navigate-singletask-task2-v0"
CUBE = "cube-single-play-singletask-task1-v0"
TWO_CUBES = "cube-double-play-singletask-task2-v0"
SIZES = {MAZE: (2, 2), CUBE: (28, 5)}  # of observations and actions


def make(name: str, **settings: object) -> OGBenchEnvironment:
    return OGBenchEnvironment(parse_task(name, TaskSettings(**settings)))


@pytest.fixture(scope="module", params=SIZES)
def environment(request: pytest.FixtureRequest) -> tuple[OGBenchEnvironment, int, int]:
    return make(request.param, episode_limit=12), *SIZES[request.param]


def episode(simulator: OGBenchEnvironment, seed: int, actions: int, steps: int = 5) -> np.ndarray:
    """Observations of an episode under random actions, shape (steps + 1, O)."""
    random = np.random.default_rng(0)
    seen = [simulator.reset(seed)]
    seen += [simulator.step(random.uniform(-1, 1, actions)).observation for _ in range(steps)]
    return np.stack(seen)


def test_a_seed_names_an_episode_whatever_the_simulator_ran_before(
    environment, request: pytest.FixtureRequest
) -> None:
    simulator, size, actions = environment
    first, other, again = (episode(simulator, seed, actions) for seed in (7, 8, 7))
    assert first.shape == (6, size)
    assert first.dtype == np.float32
    assert not np.array_equal(other[0], first[0])
    fresh = make(request.node.callspec.params["environment"])
    for same in (again, episode(fresh, 7, actions)):
        np.testing.assert_array_equal(same, first)


def test_large_seeds_are_told_apart(environment) -> None:
    simulator, _, _ = environment
    first, second = simulator.reset(2**62), simulator.reset(2**62 + 2**32)
    assert not np.array_equal(first, second)


def test_global_randomness_is_untouched_and_without_influence(environment) -> None:
    simulator, _, _ = environment
    np.random.seed(1)
    expected = np.random.random(4)
    np.random.seed(1)
    first = simulator.reset(3)
    np.testing.assert_array_equal(np.random.random(4), expected)
    np.testing.assert_array_equal(simulator.reset(3), first)


def test_a_time_limit_truncates_and_does_not_terminate(environment) -> None:
    simulator, _, actions = environment
    simulator.reset(0)
    results = [simulator.step(np.zeros(actions)) for _ in range(12)]
    assert [result.truncated for result in results] == [False] * 11 + [True]
    assert not any(result.terminated or result.success for result in results)
    assert {result.reward for result in results} == {-1.0}


def test_without_a_limit_the_simulator_s_own_holds() -> None:
    simulator = make(MAZE)
    simulator.reset(0)
    lengths = 1
    while not simulator.step(np.zeros(2)).truncated:
        lengths += 1
    assert lengths == 1000


def test_solving_the_maze_pays_zero_and_terminates() -> None:
    """The point is put beside its goal; the reward judges the state that a step leads to."""
    simulator = make(MAZE)
    simulator.reset(0)
    maze = simulator._env.unwrapped
    far = simulator.step(np.zeros(2))
    maze.set_xy(np.asarray(maze.cur_goal_xy) + 0.1)
    near = simulator.step(np.zeros(2))
    assert (far.reward, far.terminated, far.success) == (-1, False, False)
    assert (near.reward, near.terminated, near.success) == (0, True, True)
    assert not near.truncated


def step_into(simulator: OGBenchEnvironment) -> list[tuple[float, bool, bool]]:
    """Reward, end and success of two steps, the first of which leads into the goal."""
    simulator.reset(0)
    inner = simulator._env.unwrapped
    action = np.zeros(simulator.action_size)
    if hasattr(inner, "cur_goal_xy"):  # just outside the radius, and towards the goal
        inner.set_xy(np.asarray(inner.cur_goal_xy) - [inner._goal_tol + 0.05, 0])
        action[0] = 1
    else:  # the cube falls by a centimetre, into the 4 cm around its target
        inner._data.joint("object_joint_0").qpos[:3] = inner._data.mocap_pos[0] + [0, 0, 0.045]
    found = [simulator.step(action) for _ in range(2)]
    return [(result.reward, result.terminated, result.success) for result in found]


@pytest.mark.parametrize("name", SIZES)
def test_success_is_judged_before_the_action_or_after_it(name: str) -> None:
    """OGBench judges before it from version 1.2 on; the authors' version, 1.1.2, after it."""
    missed, solved = (-1.0, False, False), (0.0, True, True)
    assert step_into(make(name)) == [missed, solved]
    assert step_into(make(name, success_timing="after"))[0] == solved


def test_sparse_rewards_do_not_count_the_missing_sub_goals() -> None:
    """Two cubes out of place pay -2 as shipped, and -1 if the task is sparse."""
    for sparse, reward in ((False, -2), (True, -1)):
        simulator = make(TWO_CUBES, sparse_reward=sparse)
        simulator.reset(0)
        assert simulator.step(np.zeros(5)).reward == reward


def test_a_teleport_s_way_out_depends_on_the_seed_and_on_nothing_else() -> None:
    simulator = make("pointmaze-teleport-navigate-singletask-task1-v0")
    maze = simulator._env.unwrapped

    def way_out(seed: int) -> tuple[float, ...]:
        simulator.reset(seed)
        maze.set_xy(np.array(maze._teleport_info["teleport_in_xys"][0]))
        simulator.step(np.zeros(2))
        return tuple(maze.get_xy())

    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    ways = [way_out(seed) for seed in range(12)]
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    np.random.seed(2)
    assert [way_out(seed) for seed in range(12)] == ways
    assert len(set(ways)) == 3
