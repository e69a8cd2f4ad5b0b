import os
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.refusals import refusal
from scipy.ndimage import gaussian_filter1d

from fmq.config.datasets import RandomData, ScriptedData
from fmq.config.tasks import TaskSettings, parse_task
from fmq.data import generate, manipulation_expert, maze_expert
from fmq.data.agreement import check_against_simulator
from fmq.data.generate import generate_dataset
from fmq.data.loading import load_transitions
from fmq.data.manifest import check_dataset
from fmq.data.robomimic import check_file
from fmq.data.unwrapped import make_unwrapped

SLOW = pytest.mark.slow
MAZE = "pointmaze-medium-navigate-v0"
LIFT = "lift-mh-low_dim"
SIZES = {"episodes": 3, "validation_episodes": 2, "episode_length": 60, "seed": 4}


def settings(**changes):
    return ScriptedData(**({"source": "scripted", "action_noise": 0.2} | SIZES | changes))


def random(**changes):
    return RandomData(**({"source": "random"} | SIZES | changes))


@pytest.fixture
def in_process(monkeypatch):
    """Generate without worker processes, whose start takes seconds."""

    @contextmanager
    def one_after_the_other(processes):
        yield map

    monkeypatch.setattr(generate, "parallel_map", one_after_the_other)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def seed(number):
    return np.random.SeedSequence(number)


@pytest.fixture(scope="module")
def maze():
    return make_unwrapped("pointmaze-medium-v0")


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maze")
    generate_dataset(MAZE, settings(), folder, processes=1)
    return folder


def test_files_have_the_official_shape(generated):
    assert set(contents(generated)) == {f"{MAZE}.npz", f"{MAZE}-val.npz", "manifest.json"}
    for name, episodes in ((f"{MAZE}.npz", 3), (f"{MAZE}-val.npz", 2)):
        with np.load(generated / name) as arrays:
            kinds = {key: (array.shape, str(array.dtype)) for key, array in arrays.items()}
            terminals = np.flatnonzero(arrays["terminals"])
        rows = episodes * 61
        table = ((rows, 2), "float32")
        assert kinds == dict.fromkeys(("observations", "actions", "qpos", "qvel"), table) | {
            "terminals": ((rows,), "bool")
        }
        np.testing.assert_array_equal(terminals, np.arange(60, rows, 61))


def test_the_manifest_describes_the_files(generated):
    manifest = check_dataset(generated, MAZE)
    assert manifest["source"] == "generated here, not the official data set"
    assert manifest["settings"] == settings().model_dump()
    entry = manifest["files"][f"{MAZE}-val.npz"]
    assert (entry["episodes"], entry["rows"], entry["restarted_episodes"]) == (2, 122, 0)
    assert entry["arrays"]["terminals"] == {"shape": [122], "dtype": "bool"}
    assert set(manifest["versions"]) == {"fmq", "mujoco", "numpy", "ogbench", "python"}


def test_same_seed_same_bytes_with_two_processes(generated, tmp_path):
    np.random.seed(99)
    folder = tmp_path / "new" / "folder"
    (folder / ".partial-of-one-that-was-killed").mkdir(parents=True)
    generate_dataset(MAZE, settings(), folder, processes=2)
    assert contents(folder) == contents(generated)
    assert not list(folder.glob(".*"))


@pytest.mark.slow
def test_the_caller_s_linear_algebra_threads_do_not_change_the_bytes(tmp_path, monkeypatch):
    for processes, threads in ((1, "2"), (2, None)):
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if threads:
            monkeypatch.setenv("OMP_NUM_THREADS", threads)
        folder = tmp_path / str(processes)
        generate_dataset("cube-single-play-v0", settings(episode_length=30), folder, processes)
        assert os.environ.get("OMP_NUM_THREADS") == threads
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


def test_another_seed_gives_other_data_and_leaves_the_global_generator_alone(generated, tmp_path):
    np.random.seed(99)
    before = np.random.get_state()[1].copy()
    generate_dataset(MAZE, settings(seed=5), tmp_path, processes=1)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    for name in (f"{MAZE}.npz", f"{MAZE}-val.npz"):
        with np.load(tmp_path / name) as new, np.load(generated / name) as old:
            assert not np.isin(new["observations"][::61], old["observations"][::61]).any()


def test_no_two_episodes_are_alike(generated):
    starts = []
    for name in (f"{MAZE}.npz", f"{MAZE}-val.npz"):
        with np.load(generated / name) as arrays:
            starts.extend(arrays["observations"][::61].tolist())
    assert len({tuple(start) for start in starts}) == 5


def test_the_simulator_repeats_every_recorded_step(maze):
    episode = maze_expert.navigate(maze, 300, 0.5, seed(0))
    maze.reset(seed=0)
    for row in range(299):
        maze.set_state(episode["qpos"][row].astype(float), episode["qvel"][row].astype(float))
        observation, *_ = maze.step(episode["actions"][row])
        np.testing.assert_allclose(observation, episode["observations"][row + 1], atol=1e-5)


@pytest.mark.parametrize("noise", [0.05, 0.2])
def test_maze_action_noise_is_a_standard_deviation(maze, noise):
    differences = []
    for number in range(150):
        quiet = maze_expert.navigate(maze, 1, 0.0, seed(number))["actions"][0]
        noisy = maze_expert.navigate(maze, 1, noise, seed(number))["actions"][0]
        # Only where the noise cannot have been clipped away.
        differences.extend((noisy - quiet)[np.abs(quiet) < 0.3])
    assert len(differences) > 100
    assert np.std(differences) == pytest.approx(noise, rel=0.2)
    assert np.mean(differences) == pytest.approx(0, abs=0.3 * noise)


def test_without_noise_the_expert_reaches_goals_by_unit_steps(maze):
    episode = maze_expert.navigate(maze, 1000, 0.0, seed(1))
    np.testing.assert_allclose(np.linalg.norm(episode["actions"], axis=1), 1, atol=1e-5)
    cells = {maze.xy_to_ij(position) for position in episode["qpos"]}
    assert len(cells) > 12
    assert all(maze.maze_map[cell] == 0 for cell in cells)


@pytest.mark.parametrize(
    "environment",
    ["cube-double-v0", *(pytest.param(name, marks=SLOW) for name in ("scene-v0", "puzzle-3x3-v0"))],
)
def test_a_manipulation_episode_depends_on_its_seed_alone(environment):
    used = make_unwrapped(environment)
    for number in range(2):
        manipulation_expert.play(used, 60, 0.1, seed(number))
    fresh = make_unwrapped(environment)
    first = manipulation_expert.play(used, 60, 0.1, seed(7))
    second = manipulation_expert.play(fresh, 60, 0.1, seed(7))
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    assert manipulation_expert.is_healthy(used, first)


def test_manipulation_action_noise_is_a_standard_deviation():
    """The first action is the plan's smoothed noise: the arm is where the plan begins."""
    simulator = make_unwrapped("cube-single-v0")
    differences = []
    for number in range(60):
        quiet = manipulation_expert.play(simulator, 1, 0.0, seed(number))["actions"][0]
        noisy = manipulation_expert.play(simulator, 1, 0.1, seed(number))["actions"][0]
        differences.extend((noisy - quiet)[:4])
    impulses = gaussian_filter1d(np.eye(20), sigma=0.5, axis=0)
    smoothed = 0.1 * np.linalg.norm(impulses[0])
    assert np.std(differences) == pytest.approx(smoothed, rel=0.2)


@pytest.mark.parametrize(
    ("environment", "position", "healthy"),
    [
        ("cube-single-v0", (0.4, 0.1, 0.02), True),
        ("cube-single-v0", (0.4, -0.5, 0.02), False),
        ("cube-single-v0", (0.8, 0.1, 0.02), False),
        ("cube-single-v0", (0.4, 0.1, -0.4), False),
        ("cube-single-v0", (np.nan, 0.1, 0.02), False),
        ("scene-v0", (0.33, -0.356, 0.066), True),
        ("scene-v0", (0.33, -0.356, 0.02), False),
        ("scene-v0", (0.4, 0.3, 0.02), False),
    ],
)
def test_an_episode_with_a_cube_out_of_reach_is_unhealthy(environment, position, healthy):
    simulator = generate._make_simulator(environment)
    episode = manipulation_expert.play(simulator, 2, 0.1, seed(0))
    episode["qpos"][1, 14:17] = position
    assert manipulation_expert.is_healthy(simulator, episode) is healthy


def cube_job():
    return generate._Job("cube-single-play-v0", settings(episode_length=2), split=0, episode=0)


def test_an_unhealthy_episode_is_replaced_by_one_of_another_seed(monkeypatch):
    first, restarts = generate._generate_episode(cube_job())
    assert restarts == 0
    verdicts = iter([False, False, True])
    monkeypatch.setattr(manipulation_expert, "is_healthy", lambda *_: next(verdicts))
    third, restarts = generate._generate_episode(cube_job())
    assert restarts == 2
    assert not np.array_equal(first["qpos"], third["qpos"])


def test_hopeless_settings_end_with_one_line(monkeypatch):
    monkeypatch.setattr(manipulation_expert, "is_healthy", lambda *_: False)
    assert "lower action_noise" in refusal(generate._generate_episode, cube_job())


@pytest.mark.parametrize(
    "name",
    [
        "antmaze-medium-navigate-v0",
        "humanoidmaze-medium-navigate-v0",
        "pointmaze-medium-stitch-v0",
        "cube-single-noisy-v0",
        "pointmaze-huge-navigate-v0",
        "square-mh-low_dim",
        "../pointmaze-medium-navigate-v0",
        "",
    ],
)
def test_other_data_sets_are_refused_before_anything_is_written(tmp_path, name):
    told = refusal(generate_dataset, name, settings(), tmp_path / "new", processes=1)
    assert "trained ones" in told or "unknown data set" in told
    assert name in told
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    told = refusal(generate_dataset, MAZE, settings(), tmp_path / "file", processes=1)
    assert f"{tmp_path / 'file'}: cannot write" in told


@pytest.mark.parametrize(
    ("name", "task", "widths"),
    [
        ("antmaze-medium-navigate-v0", "antmaze-medium-navigate-singletask-v0", (29, 8, 15, 14)),
        ("humanoidmaze-medium-stitch-v0", "humanoidmaze-medium-stitch-singletask-v0", None),
        ("pointmaze-medium-stitch-v0", "pointmaze-medium-stitch-singletask-v0", (2, 2, 2, 2)),
        ("cube-single-noisy-v0", "cube-single-noisy-singletask-task2-v0", (28, 5, 21, 20)),
        pytest.param("scene-play-v0", "scene-play-singletask-v0", None, marks=SLOW),
        pytest.param("puzzle-3x3-play-v0", "puzzle-3x3-play-singletask-v0", None, marks=SLOW),
    ],
)
def test_random_data_of_any_ogbench_set_are_read_for_its_task(
    tmp_path, in_process, name, task, widths
):
    np.random.seed(99)
    generate_dataset(name, random(episode_length=30), tmp_path / "1", processes=1)
    read = load_transitions(tmp_path / "1", parse_task(task, TaskSettings()))
    assert len(read.rows) == 90
    np.testing.assert_array_equal(np.flatnonzero(read.terminals), [29, 59, 89])
    assert -1 <= read.actions.min() < -0.9
    assert 0.9 < read.actions.max() <= 1
    with np.load(tmp_path / "1" / f"{name}.npz") as arrays:
        buttons = {"scene": 2, "puzzle": 9}.get(name.split("-")[0])
        assert arrays["terminals"].shape == (93,)
        assert ("button_states" in arrays) is (buttons is not None)
        if buttons:
            assert arrays["button_states"].shape == (93, buttons)
            assert arrays["button_states"].dtype == np.int64
        if widths:
            names = ("observations", "actions", "qpos", "qvel")
            assert tuple(arrays[key].shape[1] for key in names) == widths
    source = check_dataset(tmp_path / "1", name)["source"]
    assert source == "random actions, generated here, not the official data set"
    # Episodes do not depend on what the simulator was used for before.
    generate_dataset(name, random(episode_length=30), tmp_path / "2", processes=1)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


@pytest.mark.parametrize("environment", ["antmaze-medium-v0", "scene-v0"])
def test_random_episodes_record_the_state_behind_each_observation(environment):
    simulator = generate._make_simulator(environment)
    episode = generate.random_actions.wander(simulator, 20, seed(3))
    if environment.startswith("ant"):
        state = np.concatenate([episode["qpos"], episode["qvel"]], axis=1)
        np.testing.assert_array_equal(state, episode["observations"])
    else:
        np.testing.assert_allclose(
            episode["observations"][:, :6], episode["qpos"][:, :6], atol=1e-6
        )
    assert np.abs(np.diff(episode["qpos"], axis=0)).max(axis=1).min() > 0


@pytest.fixture(scope="module")
def lift(robosuite, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lift")
    generate_dataset(LIFT, settings(), folder, processes=1)
    return folder


def test_a_robomimic_set_is_one_file_with_a_validation_mask(lift):
    assert set(contents(lift)) == {f"{LIFT}.hdf5", "manifest.json"}
    with h5py.File(lift / f"{LIFT}.hdf5") as file:
        assert file["mask/train"][()].tolist() == [b"demo_0", b"demo_1", b"demo_2"]
        assert file["mask/valid"][()].tolist() == [b"demo_3", b"demo_4"]
        starts = {tuple(file[f"data/demo_{number}/obs/object"][0]) for number in range(5)}
        lengths = [file[f"data/demo_{number}"].attrs["num_samples"] for number in range(5)]
        successes = sum(file[f"data/demo_{number}/dones"][-1] for number in range(5))
    assert len(starts) == 5
    assert max(lengths) <= 60
    manifest = check_dataset(lift, LIFT)
    assert manifest["source"] == "generated here, not the official data set"
    entry = manifest["files"][f"{LIFT}.hdf5"]
    assert entry.keys() == {"bytes", "sha256", "rows", "demonstrations", "successes"}
    assert entry["rows"] == sum(lengths)
    assert (entry["demonstrations"], entry["successes"]) == (5, successes)
    versions = {"fmq", "mujoco", "numpy", "robosuite", "h5py", "python"}
    assert set(manifest["versions"]) == versions


def test_a_robomimic_set_is_read_for_its_task(lift):
    task = parse_task(LIFT, TaskSettings())
    check_file(lift / f"{LIFT}.hdf5", task, 5)
    check_against_simulator(lift / f"{LIFT}.hdf5", task)
    assert load_transitions(lift, task).terminals.sum() == 5


@pytest.mark.slow
def test_same_seed_same_robomimic_bytes_with_two_processes(lift, tmp_path):
    np.random.seed(99)
    generate_dataset(LIFT, settings(), tmp_path, processes=2)
    assert contents(tmp_path) == contents(lift)


@pytest.mark.usefixtures("robosuite")
@pytest.mark.parametrize("name", ["can-mh-low_dim", "square-mh-low_dim"])
def test_random_robomimic_sets(tmp_path, in_process, name):
    sizes = {"episodes": 2, "validation_episodes": 1, "episode_length": 8}
    generate_dataset(name, random(**sizes), tmp_path, processes=1)
    read = load_transitions(tmp_path, parse_task(name, TaskSettings()))
    np.testing.assert_array_equal(np.flatnonzero(read.terminals), [7, 15, 23])
    assert read.masks.all()
    manifest = check_dataset(tmp_path, name)
    assert manifest["source"] == "random actions, generated here, not the official data set"
    assert manifest["files"][f"{name}.hdf5"]["successes"] == 0
    assert manifest["settings"] == random(**sizes).model_dump()


@pytest.mark.parametrize(
    ("name", "owner", "writer"), [(MAZE, np, "savez"), (LIFT, generate, "write_demonstrations")]
)
def test_a_failure_half_way_leaves_no_file(tmp_path, in_process, monkeypatch, name, owner, writer):
    def write_a_part(path, *_, **__):
        path.write_bytes(b"PK")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(owner, writer, write_a_part)
    told = refusal(generate_dataset, name, settings(episode_length=2), tmp_path, processes=1)
    assert "No space left" in told
    assert not list(tmp_path.iterdir())
