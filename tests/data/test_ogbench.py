import io
import warnings

import numpy as np
import pytest

from fmq.base.errors import UserError
from fmq.config.datasets import ScriptedData
from fmq.config.tasks import TaskSettings, parse_task
from fmq.data.generate import generate_dataset
from fmq.data.ogbench import read_transitions

SETTINGS = ScriptedData(
    source="scripted",
    episodes=2,
    validation_episodes=1,
    episode_length=60,
    action_noise=0.1,
    seed=0,
)
TASKS = {
    "pointmaze": "pointmaze-medium-navigate-singletask-task1-v0",
    "cube": "cube-double-play-singletask-task2-v0",
    "scene": "scene-play-singletask-task1-v0",
    "puzzle": "puzzle-3x3-play-singletask-task1-v0",
}


def task(name, **changes):
    return parse_task(TASKS[name], TaskSettings(**changes))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The training file of each kind of task, made when first asked for."""
    folder = tmp_path_factory.mktemp("datasets")

    def make(name):
        dataset = task(name).dataset
        path = folder / f"{dataset}.npz"
        if not path.exists():
            generate_dataset(dataset, SETTINGS, folder, processes=1)
        return path

    return make


@pytest.fixture
def maze_arrays(files):
    with np.load(files("pointmaze")) as arrays:
        return dict(arrays)


@pytest.fixture
def fail(tmp_path):
    """Load arrays or raw bytes as a maze data set; returns the one line that a person sees."""

    def load(content, name="pointmaze"):
        path = tmp_path / "data.npz"
        if isinstance(content, dict):
            np.savez(path, **content)
        elif content is not None:
            path.write_bytes(content)
        before = sorted(tmp_path.iterdir())
        with pytest.raises(UserError) as caught:
            read_transitions(path, task(name))
        message = str(caught.value)
        assert message.startswith(str(path))
        assert "\n" not in message
        assert sorted(tmp_path.iterdir()) == before
        return message

    return load


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name in ("scene", "puzzle")))
        for name in TASKS
    ],
)
def test_agrees_with_the_loader_of_ogbench(files, name):
    import ogbench

    path = files(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, expected, _ = ogbench.make_env_and_datasets(TASKS[name], dataset_path=str(path))
        ours = read_transitions(path, task(name))
    assert ours.rows.shape == (120,)
    actual = {
        "observations": ours.observations[ours.rows],
        "next_observations": ours.observations[ours.next_rows],
        "actions": ours.actions,
        "rewards": ours.rewards,
        "masks": ours.masks,
        "terminals": ours.terminals,
    }
    assert actual.keys() == expected.keys()
    for key, value in actual.items():
        np.testing.assert_array_equal(value, expected[key], err_msg=key)
    assert ours.observations.shape[0] == 122


def test_dtypes_and_terminals(files):
    loaded = read_transitions(files("pointmaze"), task("pointmaze"))
    for key in ("observations", "actions", "rewards", "masks"):
        assert getattr(loaded, key).dtype == np.float32
    assert loaded.rows.dtype == loaded.next_rows.dtype == np.int64
    assert loaded.terminals.dtype == bool
    np.testing.assert_array_equal(np.flatnonzero(loaded.terminals), [59, 119])
    np.testing.assert_array_equal(loaded.rows[[0, 59, 60, 119]], [0, 59, 61, 120])


def test_the_goal_gives_reward_0_and_ends_the_task(maze_arrays, tmp_path):
    import gymnasium

    environment = gymnasium.make(task("pointmaze").environment)
    environment.reset(seed=0)
    maze_arrays["qpos"][7] = environment.unwrapped.cur_goal_xy
    maze_arrays["qpos"][8:] = 0
    np.savez(tmp_path / "data.npz", **maze_arrays)
    loaded = read_transitions(tmp_path / "data.npz", task("pointmaze"))
    assert loaded.rewards[7] == 0
    assert loaded.masks[7] == 0
    assert set(loaded.rewards[8:]) == {-1}
    assert set(loaded.masks[8:]) == {1}


def test_sparse_rewards_count_only_whole_success(files):
    path = files("scene")
    dense = read_transitions(path, task("scene")).rewards
    sparse = read_transitions(path, task("scene", sparse_reward=True)).rewards
    assert dense.min() < -1
    np.testing.assert_array_equal(sparse, np.where(dense == 0, 0, -1))


def test_the_global_generator_is_left_alone(files):
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    read_transitions(files("pointmaze"), task("pointmaze"))
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_a_file_with_rewards_and_masks_keeps_them(maze_arrays, tmp_path):
    rewards = np.arange(122) - 200.0
    np.savez(tmp_path / "data.npz", rewards=rewards, masks=np.ones(122), **maze_arrays)
    loaded = read_transitions(tmp_path / "data.npz", task("pointmaze"))
    np.testing.assert_array_equal(loaded.rewards, rewards[loaded.rows].astype(np.float32))
    assert loaded.rewards.dtype == np.float32


@pytest.mark.parametrize("name", ["rewards", "masks"])
def test_rewards_and_masks_come_together(maze_arrays, fail, name):
    assert "give both, or neither" in fail(maze_arrays | {name: np.ones(122)})


def test_missing_file(fail):
    assert "No such file" in fail(None)


@pytest.mark.parametrize("size", [0, 1, 100, 2000, -30])
def test_a_cut_off_file(files, fail, size):
    assert "damaged, cut off" in fail(files("pointmaze").read_bytes()[:size])


def test_a_flipped_byte(files, fail):
    content = bytearray(files("pointmaze").read_bytes())
    content[1500] ^= 255
    assert "damaged" in fail(bytes(content))


def test_files_of_other_kinds(fail):
    assert "not an npz file" in fail(b"observations,actions\n1,2\n")
    array = io.BytesIO()
    np.save(array, np.zeros(3))
    assert "not an npz file" in fail(array.getvalue())


@pytest.mark.parametrize("name", ["observations", "actions", "terminals", "qpos"])
def test_a_missing_array(maze_arrays, fail, name):
    del maze_arrays[name]
    assert f"no array '{name}'" in fail(maze_arrays)


def test_missing_button_states(files, fail):
    with np.load(files("scene")) as arrays:
        without = {key: array for key, array in arrays.items() if key != "button_states"}
    assert "no array 'button_states'" in fail(without, "scene")


@pytest.mark.parametrize("name", ["actions", "qvel"])
def test_python_objects_are_never_unpickled(maze_arrays, fail, name):
    maze_arrays[name] = np.array([[print, 1]] * 122, dtype=object)
    message = fail(maze_arrays)
    assert f"'{name}'" in message
    assert "Python objects" in message


@pytest.mark.parametrize("name", ["actions", "terminals", "qpos", "qvel"])
def test_rows_that_do_not_match(maze_arrays, fail, name):
    maze_arrays[name] = maze_arrays[name][:-1]
    assert f"'{name}' has 121 rows, but observations 122" in fail(maze_arrays)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("observations", np.zeros((122, 3), np.float32)),
        ("actions", np.zeros((122, 5), np.float32)),
        ("qpos", np.zeros((122, 1), np.float32)),
        ("qpos", np.zeros((122, 0), np.float32)),
    ],
)
def test_arrays_that_do_not_fit_the_simulator(maze_arrays, fail, name, value):
    message = fail(maze_arrays | {name: value})
    assert f"'{name}' has {value.shape[1]} numbers" in message
    assert "pointmaze-medium-singletask-task1-v0 has 2" in message
    assert "pointmaze-medium-navigate-v0.npz" in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("observations", np.zeros(122, np.float32)),
        ("actions", np.zeros((122, 2), np.complex64)),
        ("terminals", np.zeros((122, 1), bool)),
        ("qpos", np.full((122, 2), "a")),
        ("observations", np.float32(3)),
    ],
)
def test_arrays_of_another_kind(maze_arrays, fail, name, value):
    assert f"array '{name}' is" in fail(maze_arrays | {name: value})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["observations", "actions", "qpos", "qvel"])
def test_values_that_are_not_finite(maze_arrays, fail, name, value):
    maze_arrays[name][77, 1] = value
    assert f"'{name}' has a value that is not finite in row 77" in fail(maze_arrays)


def test_rewards_that_are_not_finite(maze_arrays, fail):
    rewards = np.zeros(122)
    rewards[3] = np.nan
    message = fail(maze_arrays | {"rewards": rewards, "masks": np.ones(122)})
    assert "'rewards' has a value that is not finite in row 3" in message


def test_empty(maze_arrays, fail):
    assert "no transition in 0 rows" in fail({key: a[:0] for key, a in maze_arrays.items()})
    assert "no transition in 1 rows" in fail({key: a[60:61] for key, a in maze_arrays.items()})


def test_an_episode_without_its_end(maze_arrays, fail):
    message = fail({key: array[:100] for key, array in maze_arrays.items()})
    assert "'terminals' is not set on the last row (99)" in message
