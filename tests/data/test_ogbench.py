import io
import warnings
import zipfile

import numpy as np
import pytest
from helpers.refusals import refusal

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
    """Load arrays or raw bytes as a maze data set; returns the line that a person sees."""

    def load(content, name="pointmaze"):
        path = tmp_path / "data.npz"
        if isinstance(content, dict):
            np.savez(path, **content)
        elif content is not None:
            path.write_bytes(content)
        before = sorted(tmp_path.iterdir())
        message = refusal(read_transitions, path, task(name))
        assert message.startswith(str(path))
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
    solved = np.float32(np.arange(122) % 7 == 3)
    np.savez(tmp_path / "data.npz", rewards=solved - 1.0, masks=1 - solved, **maze_arrays)
    loaded = read_transitions(tmp_path / "data.npz", task("pointmaze"))
    np.testing.assert_array_equal(loaded.rewards, solved[loaded.rows] - 1)
    np.testing.assert_array_equal(loaded.masks, 1 - solved[loaded.rows])
    assert loaded.rewards.dtype == np.float32


@pytest.mark.parametrize(
    ("reward", "mask", "sparse"),
    [
        *((reward, 1, False) for reward in (0, 1, -0.5, -2, -10)),
        *((reward, 0, False) for reward in (-1, 1)),
        *((reward, 1, True) for reward in (0, 1)),
        (-10, 0, True),
    ],
)
def test_rewards_and_masks_that_no_simulator_gives(maze_arrays, tmp_path, reward, mask, sparse):
    rewards, masks = np.full(122, -1.0), np.ones(122)
    rewards[40], masks[40] = reward, mask
    np.savez(tmp_path / "data.npz", rewards=rewards, masks=masks, **maze_arrays)
    told = refusal(read_transitions, tmp_path / "data.npz", task("pointmaze", sparse_reward=sparse))
    assert "row 40 " in told


def test_scaled_rewards_do_not_matter_where_they_are_made_sparse(maze_arrays, tmp_path):
    rewards = np.full(122, -10.0)
    np.savez(tmp_path / "data.npz", rewards=rewards, masks=np.ones(122), **maze_arrays)
    loaded = read_transitions(tmp_path / "data.npz", task("pointmaze", sparse_reward=True))
    assert set(loaded.rewards) == {-1}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("cube", 2),
        *(pytest.param(*one, marks=pytest.mark.slow) for one in (("scene", 5), ("puzzle", 9))),
    ],
)
def test_rewards_count_the_parts_of_a_task(files, tmp_path, name, parts):
    with np.load(files(name)) as arrays:
        whole = dict(arrays)
    for lowest in (-parts, -parts - 1):
        rewards = np.full(122, float(lowest))
        np.savez(tmp_path / "data.npz", rewards=rewards, masks=np.ones(122), **whole)
        if lowest == -parts:
            assert read_transitions(tmp_path / "data.npz", task(name)).rewards.min() == -parts
        else:
            assert "row 0 " in refusal(read_transitions, tmp_path / "data.npz", task(name))


@pytest.mark.parametrize("value", [1.001, -5, 1e30])
def test_actions_that_no_policy_can_take(maze_arrays, fail, value):
    maze_arrays["actions"][77, 1] = value
    assert "in row 77" in fail(maze_arrays)


def test_actions_at_the_bound_are_taken(maze_arrays, tmp_path):
    maze_arrays["actions"] = np.clip(maze_arrays["actions"] * 9, -1, np.float32(1.00001))
    np.savez(tmp_path / "data.npz", **maze_arrays)
    loaded = read_transitions(tmp_path / "data.npz", task("pointmaze"))
    assert loaded.actions.max() == np.float32(1.00001)


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


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.replace(b"(122, 2)", b"(121, 2)"),
        lambda content: content.replace(b"(122, 2), }      ", b"(99999999, 2), }"),
        lambda content: content.replace(b"'<f4', ", b"((((((("),
    ],
)
def test_headers_that_lie(maze_arrays, fail, change):
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, array in maze_arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            content = buffer.getvalue()
            archive.writestr(f"{name}.npy", change(content) if name == "observations" else content)
    assert "(array 'observations')" in fail(whole.getvalue())


def test_a_file_that_would_fill_the_memory(maze_arrays, fail):
    packed = io.BytesIO()
    np.savez_compressed(packed, **maze_arrays | {"observations": np.zeros((2**18, 200))})
    assert "over 100 times its size" in fail(packed.getvalue())


ONES, TABLE = np.ones(122), np.zeros((122, 2), np.float32)
SPOILT = np.where(np.arange(122) == 3, np.nan, 0)
OBJECTS = np.array([[print, 1]] * 122, dtype=object)
FITS = "pointmaze-medium-singletask-task1-v0 has 2; its file is pointmaze-medium-navigate-v0.npz"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        *(
            ({name: None}, f"no array '{name}'")
            for name in ("observations", "actions", "terminals", "qpos")
        ),
        *(
            ({name: TABLE[1:]}, f"'{name}' has 121 rows, but observations 122")
            for name in ("actions", "qpos", "qvel")
        ),
        ({"terminals": ONES[1:]}, "'terminals' has 121 rows, but observations 122"),
        *(
            ({name: np.zeros((122, width))}, f"'{name}' has {width} numbers per row, but {FITS}")
            for name, width in (("observations", 3), ("actions", 5), ("qpos", 1), ("qpos", 0))
        ),
        *(({name: OBJECTS}, f"'{name}' holds Python objects") for name in ("actions", "qvel")),
        *(({name: ONES}, "give both, or neither") for name in ("rewards", "masks")),
        ({"observations": ONES}, "array 'observations' is"),
        ({"actions": TABLE.astype(complex)}, "array 'actions' is"),
        ({"terminals": ONES[:, None]}, "array 'terminals' is"),
        ({"qpos": TABLE.astype(str)}, "array 'qpos' is"),
        ({"observations": np.float32(3)}, "array 'observations' is"),
        ({"terminals": np.arange(122)}, "'terminals' has 2 in row 2, allowed are 0 and 1"),
        ({"rewards": ONES, "masks": ONES / 2}, "'masks' has 0.5 in row 0, allowed are 0 and 1"),
        ({"rewards": SPOILT, "masks": ONES}, "'rewards' has a value that is not finite in row 3"),
        ({"observations": np.full((122, 2), 1e39)}, "not finite in row 0"),
    ],
)
def test_arrays_that_are_refused(maze_arrays, fail, changes, reason):
    arrays = maze_arrays | changes
    assert reason in fail({name: array for name, array in arrays.items() if array is not None})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["observations", "actions", "qpos", "qvel"])
def test_values_that_are_not_finite(maze_arrays, fail, name, value):
    maze_arrays[name][77, 1] = value
    assert f"'{name}' has a value that is not finite in row 77" in fail(maze_arrays)


def test_missing_button_states(files, fail):
    with np.load(files("scene")) as arrays:
        without = {key: array for key, array in arrays.items() if key != "button_states"}
    assert "no array 'button_states'" in fail(without, "scene")


def test_episodes_without_a_transition_or_without_their_end(maze_arrays, fail):
    for rows, reason in (
        (slice(0), "no transition in 0 rows"),
        (slice(60, 61), "no transition in 1 rows"),
        (slice(100), "'terminals' is not set on the last row (99)"),
    ):
        assert reason in fail({key: array[rows] for key, array in maze_arrays.items()})
