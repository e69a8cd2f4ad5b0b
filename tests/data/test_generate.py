import os
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from fmq.data import generate, manipulation_expert, maze_expert
from fmq.data.generate import generate_dataset
from fmq.data.manifest import check_dataset
from fmq.errors import UserError
from fmq.settings import DatasetSettings

MAZE = "pointmaze-medium-navigate-v0"


def settings(**changes):
    values = {"episodes": 3, "validation_episodes": 2, "episode_length": 60}
    return DatasetSettings(**(values | {"action_noise": 0.2, "seed": 4} | changes))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def seed(number):
    return np.random.SeedSequence(number)


@pytest.fixture(scope="module")
def maze():
    return maze_expert.make_maze("pointmaze-medium-v0")


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
    generate_dataset(MAZE, settings(), tmp_path / "new" / "folder", processes=2)
    assert contents(tmp_path / "new" / "folder") == contents(generated)


def test_the_caller_s_linear_algebra_threads_do_not_change_the_bytes(tmp_path, monkeypatch):
    for processes, threads in ((1, "2"), (2, None)):
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if threads:
            monkeypatch.setenv("OMP_NUM_THREADS", threads)
        folder = tmp_path / str(processes)
        generate_dataset("cube-single-play-v0", settings(), folder, processes)
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


@pytest.mark.parametrize("environment", ["cube-double-v0", "scene-v0", "puzzle-3x3-v0"])
def test_a_manipulation_episode_depends_on_its_seed_alone(environment):
    used = manipulation_expert.make_manipulator(environment)
    for number in range(2):
        manipulation_expert.play(used, 60, 0.1, seed(number))
    fresh = manipulation_expert.make_manipulator(environment)
    first = manipulation_expert.play(used, 60, 0.1, seed(7))
    second = manipulation_expert.play(fresh, 60, 0.1, seed(7))
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    assert manipulation_expert.is_healthy(used, first)


def test_manipulation_action_noise_is_a_standard_deviation():
    """The first action is the plan's smoothed noise: the arm is where the plan begins."""
    simulator = manipulation_expert.make_manipulator("cube-single-v0")
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
    with pytest.raises(UserError, match="lower action_noise") as caught:
        generate._generate_episode(cube_job())
    assert "\n" not in str(caught.value)


def test_a_failure_half_way_leaves_no_file(tmp_path, monkeypatch):
    def write_a_part(path, **_):
        path.write_bytes(b"PK")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", write_a_part)
    with pytest.raises(UserError, match="No space left") as caught:
        generate_dataset(MAZE, settings(episode_length=2), tmp_path, processes=1)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name",
    [
        "antmaze-medium-navigate-v0",
        "humanoidmaze-medium-navigate-v0",
        "pointmaze-medium-stitch-v0",
        "cube-single-noisy-v0",
        "pointmaze-huge-navigate-v0",
        "../pointmaze-medium-navigate-v0",
        "",
    ],
)
def test_other_data_sets_are_refused_before_anything_is_written(tmp_path, name):
    with pytest.raises(UserError, match="trained experts") as caught:
        generate_dataset(name, settings(), tmp_path / "new", processes=1)
    assert repr(name) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write") as caught:
        generate_dataset(MAZE, settings(), tmp_path / "file", processes=1)
    assert str(tmp_path / "file") in str(caught.value)
