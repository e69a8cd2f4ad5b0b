import time
from itertools import islice
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from helpers.demonstrations import random, scripted
from scipy.spatial.transform import Rotation

from fmq.data import demonstrations
from fmq.data.demonstrations import demonstrate, make_env_args, write_demonstrations
from fmq.data.random_actions import random_script
from fmq.data.tabletop_expert import _command, noisy_script
from fmq.envs.robosuite import make_simulator, observe, reset_simulator


def seed(number):
    return np.random.SeedSequence(number)


@pytest.fixture(scope="module")
def lift(robosuite):
    return make_simulator(make_env_args("Lift"))


@pytest.fixture(scope="module")
def can(robosuite):
    return make_simulator(make_env_args("PickPlaceCan"))


@pytest.fixture(scope="module")
def recorded(lift):
    """A solved episode and one that is not."""
    return [demonstrate(lift, scripted(), seed(0)), demonstrate(lift, random(20), seed(1))]


@pytest.mark.slow
def test_without_noise_lift_is_always_solved(lift):
    episodes = [demonstrate(lift, scripted(), seed(number)) for number in range(10)]
    assert all(one.success and one.steps < 40 for one in episodes)


@pytest.mark.slow
def test_without_noise_the_can_is_always_put_into_its_bin(can):
    episodes = [demonstrate(can, scripted(length=200), seed(number)) for number in range(3)]
    assert all(one.success and one.steps < 150 for one in episodes)


def test_an_episode_ends_at_its_first_success(recorded):
    solved, unsolved = recorded
    np.testing.assert_array_equal(solved.arrays["rewards"], [0] * (solved.steps - 1) + [1])
    np.testing.assert_array_equal(solved.arrays["dones"], solved.arrays["rewards"])
    assert unsolved.steps == 20
    assert not unsolved.success
    assert not unsolved.arrays["rewards"].any()


def test_arrays_have_a_row_for_every_step(recorded):
    for one in recorded:
        widths = {name: array.shape[1:] for name, array in one.arrays.items()}
        assert {len(array) for array in one.arrays.values()} == {one.steps}
        assert (widths["actions"], widths["rewards"], widths["dones"]) == ((7,), (), ())
        assert (widths["states"], widths["obs/object"]) == ((32,), (10,))
        for name in list(widths):
            if name.startswith("obs/"):
                following = one.arrays[f"next_{name}"]
                np.testing.assert_array_equal(one.arrays[name][1:], following[:-1])
        np.testing.assert_array_equal(one.arrays["actions"], np.float32(one.arrays["actions"]))
        assert np.abs(one.arrays["actions"]).max() <= 1


def test_a_demonstration_depends_on_its_seed_alone(lift, recorded):
    demonstrate(lift, random(3), seed(9))
    again = demonstrate(lift, random(20), seed(1))
    other = demonstrate(lift, random(20), seed(2))
    assert again.model_file == recorded[1].model_file != other.model_file
    for name, array in recorded[1].arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array, err_msg=name)
    assert not np.isin(other.arrays["actions"], again.arrays["actions"]).any()


def test_recorded_steps_are_those_of_the_simulator(lift, recorded):
    """From the same start, the recorded actions give the recorded observations and states."""
    solved = recorded[0]
    start, _ = (int(word) for word in seed(0).generate_state(2, np.uint64))
    first = reset_simulator(lift, start)
    for key in ("object", "robot0_eef_pos", "robot0_joint_vel"):
        np.testing.assert_array_equal(first[key], solved.arrays[f"obs/{key}"][0])
    for step, action in enumerate(solved.arrays["actions"]):
        state = lift.sim.get_state().flatten()
        np.testing.assert_array_equal(state, solved.arrays["states"][step])
        raw, reward, _, _ = lift.step(action)
        np.testing.assert_array_equal(raw["cube_pos"], solved.arrays["next_obs/object"][step, :3])
        assert reward == solved.arrays["rewards"][step]


def test_each_episode_draws_its_own_noise(lift, monkeypatch):
    levels = []

    def listen(simulator, observation, noise, generator):
        levels.append(noise)
        return random_script(7, generator)

    monkeypatch.setattr(demonstrations, "noisy_script", listen)
    monkeypatch.setattr(demonstrations, "reset_simulator", lambda simulator, _: observe(simulator))
    for number in range(60):
        demonstrate(lift, scripted(0.3, length=2), seed(number))
    assert 0 <= min(levels) < 0.06
    assert 0.54 < max(levels) <= 0.6
    assert np.mean(levels) == pytest.approx(0.3, abs=0.1)


@pytest.mark.parametrize("noise", [0.1, 0.3])
def test_noise_is_a_standard_deviation_of_the_motion_alone(lift, noise):
    observation = reset_simulator(lift, 0)
    quiet = next(noisy_script(lift, observation, 0, np.random.default_rng(0)))
    generators = (np.random.default_rng(number) for number in range(300))
    noisy = np.stack([next(noisy_script(lift, observation, noise, one)) for one in generators])
    assert set(noisy[:, 6]) == {-1}
    assert np.abs(noisy).max() <= 1
    free = np.abs(quiet[:6]) < 0.3  # where little of the noise was clipped away
    assert free.sum() >= 3
    deviation = (noisy - quiet)[:, :6][:, free]
    np.testing.assert_allclose(deviation.std(axis=0), noise, rtol=0.15)
    np.testing.assert_allclose(deviation.mean(axis=0), 0, atol=0.2 * noise)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [("world", [0.4, 0, 0, 0.2, 0, 0, -1]), ("base", [0, -0.4, 0, 0, -0.2, 0, -1])],
)
def test_commands_are_given_in_the_controller_s_frame(frame, expected):
    turned = Rotation.from_euler("z", 90, degrees=True)
    controller = SimpleNamespace(origin_ori=turned.as_matrix(), input_ref_frame=frame)
    robot = SimpleNamespace(part_controllers={"right": controller})
    hand = Rotation.from_euler("x", 180, degrees=True)
    observation = {"robot0_eef_pos": np.ones(3), "robot0_eef_quat": hand.as_quat()}
    wanted = Rotation.from_euler("x", 0.1) * hand
    place = np.array([1.02, 1, 1])
    action = _command(SimpleNamespace(robots=[robot]), wanted, place, -1.0, observation)
    np.testing.assert_allclose(action, expected, atol=1e-9)


def test_random_actions_are_uniform():
    actions = np.stack(list(islice(random_script(5, np.random.default_rng(0)), 4000)))
    assert actions.shape == (4000, 5)
    assert -1 <= actions.min() < -0.99
    assert 0.99 < actions.max() <= 1
    np.testing.assert_allclose(actions.mean(axis=0), 0, atol=0.05)
    np.testing.assert_allclose(actions.std(axis=0), 1 / np.sqrt(3), rtol=0.05)


def test_the_file_has_robomimic_s_layout(tmp_path, recorded):
    path = tmp_path / "lift.hdf5"
    counts = write_demonstrations(path, "Lift", iter([*recorded, recorded[1]]), training=2)
    rows = recorded[0].steps + 40
    assert counts == {"rows": rows, "demonstrations": 3, "successes": 1}
    with h5py.File(path) as file:
        assert set(file) == {"data", "mask"}
        assert file["mask/train"][()].tolist() == [b"demo_0", b"demo_1"]
        assert file["mask/valid"][()].tolist() == [b"demo_2"]
        assert file["data"].attrs["total"] == rows
        group = file["data/demo_0"]
        assert set(group) == {"actions", "rewards", "dones", "states", "obs", "next_obs"}
        assert group.attrs["num_samples"] == recorded[0].steps
        assert group.attrs["model_file"].startswith("<mujoco")
        for name, array in recorded[0].arrays.items():
            np.testing.assert_array_equal(group[name][()], array)


def test_the_file_says_how_to_make_the_simulator(robosuite):
    env_args = make_env_args("PickPlaceCan")
    assert (env_args["env_name"], env_args["type"]) == ("PickPlaceCan", 1)
    assert env_args["env_version"] == robosuite.__version__
    kwargs = env_args["env_kwargs"]
    assert (kwargs["robots"], kwargs["control_freq"]) == (["Panda"], 20)
    assert kwargs["controller_configs"]["type"] == "BASIC"
    arm = kwargs["controller_configs"]["body_parts"]["right"]
    assert (arm["type"], arm["input_type"]) == ("OSC_POSE", "delta")
    assert arm["input_ref_frame"] == "world"


def test_bytes_do_not_depend_on_the_hour(tmp_path, recorded):
    for name in ("first", "second"):
        write_demonstrations(tmp_path / name, "Lift", recorded, training=1)
        time.sleep(1.1)  # HDF5 counts time in seconds
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_models_name_no_folder_of_this_machine(recorded):
    assert 'file="robosuite/models/assets/' in recorded[0].model_file
    assert 'file="/' not in recorded[0].model_file
