import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
from helpers.refusals import refusal
from scipy.spatial.transform import Rotation

from fmq.config.tasks import EPISODE_LIMITS, LOW_DIM, TaskSettings, parse_task
from fmq.data.demonstrations import make_env_args
from fmq.data.tabletop_expert import noisy_script
from fmq.envs.environment import Environment
from fmq.envs.making import make_environment
from fmq.envs.robomimic import RobomimicEnvironment
from fmq.envs.robosuite import (
    check_version,
    make_simulator,
    named_observation,
    observe,
    read_env_args,
    reset_simulator,
)

pytestmark = pytest.mark.usefixtures("robosuite")

LARGE = 2**63 - 5
ACTIONS = np.random.default_rng(0).uniform(-1, 1, (40, 7))


def task(name="lift", **settings):
    return parse_task(f"{name}-mh-low_dim", TaskSettings(**settings))


def write_env_args(folder, value, name="lift"):
    path = folder / f"{name}-mh-low_dim.hdf5"
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        if value is not None:
            data.attrs["env_args"] = value if isinstance(value, str) else json.dumps(value)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data files that say how their simulator was made, and nothing else."""
    folder = tmp_path_factory.mktemp("robomimic")
    write_env_args(folder, make_env_args("Lift"))
    write_env_args(folder, make_env_args("PickPlaceCan"), "can")
    return folder


@pytest.fixture(scope="module")
def lift(folder):
    return make_environment(task(), folder)


@pytest.fixture(scope="module")
def can():
    return make_simulator(make_env_args("PickPlaceCan"))


def episode(environment: Environment, seed, steps=5):
    """Every number of an episode's start and first steps, in a row."""
    numbers = [environment.reset(seed)]
    for action in ACTIONS[:steps]:
        transition = environment.step(action)
        numbers.extend([transition.observation, [transition.reward]])
    return np.concatenate(numbers)


@pytest.mark.parametrize("value", [None, "disabled"])
def test_the_graphics_of_other_simulators_stay_as_they_are(value):
    code = (
        "import os; from fmq.envs.robosuite import import_robosuite; import_robosuite()\n"
        f"assert os.environ.get('MUJOCO_GL') == {value!r}"
    )
    environment = {name: text for name, text in os.environ.items() if name != "MUJOCO_GL"}
    environment |= {"MUJOCO_GL": value} if value else {}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_an_episode_depends_on_its_seed_alone(lift, folder):
    np.random.seed(1)
    first = episode(lift, LARGE)
    other = episode(lift, 4)
    np.random.seed(2)
    again = episode(lift, LARGE)
    fresh = episode(RobomimicEnvironment(task(), folder), LARGE)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, fresh)
    assert not np.array_equal(first[9:12], other[9:12])
    assert first.dtype != object


def test_can_episodes_repeat_too(can):
    first = reset_simulator(can, 3)
    can.step(ACTIONS[0])
    other = reset_simulator(can, 4)
    again = reset_simulator(can, 3)
    for key in LOW_DIM:
        np.testing.assert_array_equal(first[key], again[key], err_msg=key)
    assert not np.array_equal(first["object"], other["object"])


def test_numpy_s_global_seed_means_nothing_to_robosuite(can):
    """Why a reset sets robosuite's own generator, and sets it in place."""
    starts = []
    for _ in range(2):
        np.random.seed(0)
        can.reset()
        starts.append(observe(can)["object"])
    assert not np.array_equal(*starts)


def test_the_cube_s_place_would_not_follow_a_new_generator():
    """Why the generator is set in place: Lift's sampler keeps the one that it was made with."""
    lift = make_simulator(make_env_args("Lift"))
    places = []
    for _ in range(2):
        lift.rng = np.random.default_rng(0)
        lift.reset()
        places.append(observe(lift)["object"][:2])
    assert not np.array_equal(*places)


def test_the_global_generator_is_left_alone(folder):
    np.random.seed(9)
    before = np.random.get_state()[1].copy()
    environment = RobomimicEnvironment(task(), folder)
    environment.reset(0)
    environment.step(ACTIONS[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_the_relative_pose_is_there_from_the_start(can):
    can.rng.bit_generator.state = np.random.default_rng(7).bit_generator.state
    raw = can.reset()
    assert not raw["object-state"][:7].any()  # the trap
    first = reset_simulator(can, 7)
    np.testing.assert_array_equal(first["object"][7:], raw["object-state"][7:])
    gripper = Rotation.from_quat(first["robot0_eef_quat"])
    shift = gripper.inv().apply(first["object"][7:10] - first["robot0_eef_pos"])
    turn = gripper.inv() * Rotation.from_quat(first["object"][10:])
    np.testing.assert_allclose(first["object"][:3], shift, atol=1e-6)
    assert (turn * Rotation.from_quat(first["object"][3:7]).inv()).magnitude() < 1e-5
    np.testing.assert_array_equal(observe(can)["object"], first["object"])


def test_forcing_observations_after_a_step_gives_what_the_reset_gives(can):
    """At rest, a step changes the relative pose no more than the can settles."""
    first = reset_simulator(can, 7)
    can.step(np.zeros(7))
    np.testing.assert_allclose(observe(can)["object"], first["object"], atol=0.02)


def test_the_relative_pose_is_one_observation_late(can):
    """As robosuite computes it, and as it is in RoboMimic's files."""
    first = reset_simulator(can, 7)["object"]
    joint = can.objects[can.object_id].joints[0]
    place = can.sim.data.get_joint_qpos(joint) + np.array([0.05, 0, 0, 0, 0, 0, 0])
    can.sim.data.set_joint_qpos(joint, place)
    can.sim.forward()
    late, now = observe(can)["object"], observe(can)["object"]
    np.testing.assert_allclose(late[7:10] - first[7:10], [0.05, 0, 0], atol=1e-9)
    np.testing.assert_array_equal(late[:7], first[:7])
    assert np.linalg.norm(now[:3] - first[:3]) == pytest.approx(0.05)


def test_the_controller_settings_of_robomimic_s_files_are_the_same_arm():
    """Theirs were translated from robosuite 1.4: some names mean nothing any more."""
    env_args = make_env_args("Lift")
    arm = env_args["env_kwargs"]["controller_configs"]["body_parts"]["right"]
    old = {"damping": arm.pop("damping_ratio"), "damping_limits": arm.pop("damping_ratio_limits")}
    arm |= old | {"control_delta": arm.pop("input_type") == "delta"}
    env_args["env_kwargs"] |= {"lite_physics": False, "camera_heights": 84, "camera_widths": 84}
    last = []
    for simulator in (make_simulator(env_args), make_simulator(make_env_args("Lift"))):
        reset_simulator(simulator, 1)
        for action in ACTIONS[:10]:
            simulator.step(action)
        last.append(simulator.sim.get_state().flatten())
    np.testing.assert_array_equal(*last)


def test_observations_are_the_named_parts_in_order(lift):
    vector = lift.reset(0)
    parts = observe(lift._simulator)
    assert LOW_DIM == ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos", "object")
    expected = np.concatenate([parts[key] for key in LOW_DIM])
    np.testing.assert_array_equal(vector, expected.astype(np.float32))
    assert vector.dtype == np.float32
    assert lift.observation_size == len(vector) == 19


def test_an_unsolved_episode_is_cut_at_the_limit(folder):
    environment = RobomimicEnvironment(task(episode_limit=3), folder)
    for seed in range(2):
        environment.reset(seed)
        for step in (1, 2, 3):
            _, reward, terminated, truncated, success = environment.step(ACTIONS[step])
            assert (reward, terminated, success) == (-1, False, False)
            assert truncated is (step == 3)


def test_limits_are_those_of_robomimic(lift):
    assert EPISODE_LIMITS == {"Lift": 300, "PickPlaceCan": 300, "NutAssemblySquare": 400}
    assert lift._limit == 300


@pytest.mark.parametrize("sparse", [False, True])
def test_a_solved_episode_ends_with_reward_0(lift, sparse, monkeypatch):
    monkeypatch.setattr(lift, "_settings", TaskSettings(sparse_reward=sparse))
    lift.reset(2)
    script = noisy_script(lift._simulator, observe(lift._simulator), 0, np.random.default_rng(0))
    action = next(script)
    for _ in range(40):
        transition = lift.step(action)
        if transition.terminated:
            break
        assert transition[1:] == (-1, False, False, False)
        action = script.send(observe(lift._simulator))
    assert transition[1:] == (0, True, False, True)


def test_success_at_the_limit_counts_as_solved(lift, monkeypatch):
    monkeypatch.setattr(lift, "_limit", 1)
    monkeypatch.setattr(lift._simulator, "reward", lambda action: 1.0)
    monkeypatch.setattr(lift._simulator, "_check_success", lambda: True)
    lift.reset(0)
    assert lift.step(ACTIONS[0])[1:] == (0, True, False, True)


def test_lite_physics_changes_no_number():
    import robosuite

    env_args = make_env_args("Lift")
    lite = make_simulator(env_args)
    full = robosuite.make("Lift", **env_args["env_kwargs"] | {"lite_physics": False})
    assert (lite.lite_physics, full.lite_physics) == (True, False)
    recorded = []
    for simulator in (lite, full):
        reset_simulator(simulator, 5)
        steps = [named_observation(simulator.step(action)[0]) for action in ACTIONS]
        recorded.append(np.stack([np.concatenate([*step.values()]) for step in steps]))
    np.testing.assert_array_equal(*recorded)


def test_no_renderer_whatever_the_file_says(tmp_path, capfd):
    env_args = make_env_args("Lift")
    graphics = dict.fromkeys(("has_renderer", "has_offscreen_renderer", "use_camera_obs"), True)
    env_args["env_kwargs"] |= graphics | {"reward_shaping": True, "ignore_done": False}
    before = json.dumps(env_args)
    simulator = make_simulator(env_args)
    assert not any(getattr(simulator, name) for name in graphics)
    assert simulator.sim._render_context_offscreen is None
    assert not simulator.reward_shaping
    assert simulator.ignore_done
    assert json.dumps(env_args) == before
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


@pytest.mark.parametrize("version", ["1.5.0", "1.5.2", "1.10", "2.0.1"])
def test_versions_from_1_5_are_taken(tmp_path, version):
    check_version(tmp_path / "file", {"env_version": version})


@pytest.mark.parametrize("version", ["1.4.1", "1.4", "1.2.0", "0.3.0", "new", "", None])
def test_older_versions_are_refused(tmp_path, version):
    env_args = make_env_args("Lift") | {"env_version": version}
    path = write_env_args(tmp_path, env_args)
    told = refusal(RobomimicEnvironment, task(), tmp_path)
    assert told.startswith(
        f"{path}: made with robosuite {version or 'of unknown version'}, allowed"
    )
    del env_args["env_version"]
    write_env_args(tmp_path, env_args)
    assert "unknown version" in refusal(read_env_args, path, "Lift")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "no attribute 'env_args'"),
        ("not JSON", "is not JSON"),
        ("[1]", "is not JSON"),
        ({"env_name": "Lift"}, "is not JSON"),
        ({"env_name": "Lift", "env_kwargs": 3}, "is not JSON"),
        ({"env_name": "PickPlaceCan", "env_kwargs": {}}, "made in robosuite's 'PickPlaceCan'"),
    ],
)
def test_files_that_do_not_tell_the_simulator(tmp_path, value, words):
    path = write_env_args(tmp_path, value)
    told = refusal(RobomimicEnvironment, task(), tmp_path)
    assert told.startswith(str(path))
    assert words in told


def test_without_its_file_there_is_no_simulator(tmp_path):
    assert "No such file" in refusal(RobomimicEnvironment, task(), tmp_path)


@pytest.mark.parametrize("kwargs", [{"robots": ["Nobody"]}, {"wheels": 4}])
def test_settings_that_robosuite_refuses(kwargs):
    env_args = make_env_args("Lift")
    env_args["env_kwargs"] |= kwargs
    assert "cannot make 'Lift'" in refusal(make_simulator, env_args)
