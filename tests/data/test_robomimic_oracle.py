"""Held against RoboMimic 0.3.0 itself, where it is installed: its readers and its simulator.

It is no dependency: it asks for mujoco_py and torchvision, which are not to be had beside today's
MuJoCo and a CPU's PyTorch. Nothing that is used here calls them, so empty modules stand in.
"""

import importlib
import sys
from types import ModuleType, SimpleNamespace

import h5py
import numpy as np
import pytest
from helpers.demonstrations import random, scripted, write_episodes

from fmq.config.tasks import LOW_DIM, TaskSettings, parse_task
from fmq.data.demonstrations import make_env_args
from fmq.data.robomimic import read_transitions
from fmq.envs.robomimic import RobomimicEnvironment
from fmq.envs.robosuite import (
    make_simulator,
    named_observation,
    observation_widths,
    observe_states,
    reset_simulator,
)

STAND_INS = (
    "mujoco_py",
    "torchvision",
    "torchvision.models",
    "torchvision.transforms",
    "torchvision.transforms.functional",
)
NAMES = {"Lift": "lift-mh-low_dim", "PickPlaceCan": "can-mh-low_dim"}


class StandIn(ModuleType):
    """A package whose every name is an empty class."""

    def __init__(self, name):
        super().__init__(name)
        self.__path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


@pytest.fixture(scope="module")
def oracle(robosuite):
    """The modules of RoboMimic that the tests use."""
    if importlib.util.find_spec("robomimic") is None:
        pytest.skip("robomimic is not installed: pip install --no-deps robomimic==0.3.0")
    with pytest.MonkeyPatch.context() as patch:
        for name in STAND_INS:
            patch.setitem(sys.modules, name, StandIn(name))
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], child, sys.modules[name])
        modules = {
            "files": "utils.file_utils",
            "dataset": "utils.dataset",
            "observations": "utils.obs_utils",
            "simulator": "envs.env_robosuite",
        }
        found = {key: importlib.import_module(f"robomimic.{name}") for key, name in modules.items()}
        keys = [*LOW_DIM]
        found["observations"].initialize_obs_utils_with_obs_specs(
            {"obs": {"low_dim": keys, "rgb": []}}
        )
        yield SimpleNamespace(**found, keys=keys)


@pytest.fixture(scope="module")
def folder(robosuite, tmp_path_factory):
    """Files of three episodes each; Lift's first is solved."""
    folder = tmp_path_factory.mktemp("robomimic")
    for environment, name in NAMES.items():
        kinds = [scripted(0.05) if environment == "Lift" else random(10), random(10), random(10)]
        write_episodes(folder / f"{name}.hdf5", environment, kinds, training=2)
    return folder


def robomimic_simulator(oracle, path):
    """RoboMimic's wrapper, made from the file by RoboMimic's own reader."""
    env_args = oracle.files.get_env_metadata_from_dataset(str(path))
    return oracle.simulator.EnvRobosuite(env_args["env_name"], **env_args["env_kwargs"])


@pytest.mark.parametrize("environment", NAMES)
def test_metadata_are_read_as_they_were_written(oracle, folder, environment):
    path = folder / f"{NAMES[environment]}.hdf5"
    assert oracle.files.get_env_metadata_from_dataset(str(path)) == make_env_args(environment)
    shapes = oracle.files.get_shape_metadata_from_dataset(str(path), all_obs_keys=oracle.keys)
    assert shapes["ac_dim"] == 7
    widths = {key: shape[0] for key, shape in shapes["all_shapes"].items()}
    assert widths == observation_widths(make_simulator(make_env_args(environment)), LOW_DIM)
    assert oracle.files.get_demos_for_filter_key(str(path), "valid") == ["demo_2"]


@pytest.mark.parametrize("environment", NAMES)
def test_the_reader_of_robomimic_gives_the_same_transitions(oracle, folder, environment):
    path = folder / f"{NAMES[environment]}.hdf5"
    theirs = oracle.dataset.SequenceDataset(
        str(path),
        obs_keys=oracle.keys,
        dataset_keys=["actions", "rewards", "dones"],
        load_next_obs=True,
    )
    ours = read_transitions(path, parse_task(NAMES[environment], TaskSettings()))
    assert len(theirs) == len(ours.actions)
    for number in range(len(theirs)):
        row = theirs[number]
        np.testing.assert_array_equal(ours.actions[number], row["actions"][0])
        assert ours.rewards[number] == row["rewards"][0] - 1
        assert ours.masks[number] == 1 - row["dones"][0]
        for part, rows in (("obs", ours.rows), ("next_obs", ours.next_rows)):
            vector = np.concatenate([row[part][key][0] for key in oracle.keys])
            np.testing.assert_array_equal(ours.observations[rows[number]], np.float32(vector))
    training = oracle.dataset.SequenceDataset(
        str(path), obs_keys=oracle.keys, dataset_keys=["actions"], filter_by_attribute="train"
    )
    assert len(training) == len(theirs) - 10


@pytest.mark.parametrize("environment", NAMES)
def test_stored_states_show_the_same_observations(oracle, folder, environment):
    path = folder / f"{NAMES[environment]}.hdf5"
    theirs = robomimic_simulator(oracle, path)
    ours = make_simulator(make_env_args(environment))
    with h5py.File(path) as file:
        group = file["data/demo_0"]
        model, states = group.attrs["model_file"], group["states"][:6]
    shown = observe_states(ours, model, states)
    assert shown.keys() == theirs.reset_to({"states": states[0], "model": model}).keys()
    for number, state in enumerate(states[1:], start=1):
        expected = theirs.reset_to({"states": state})
        for key in oracle.keys:
            np.testing.assert_array_equal(shown[key][number], expected[key], err_msg=key)


@pytest.mark.slow
def test_the_same_actions_give_the_same_observations_and_rewards(oracle, folder):
    """A whole solved episode of Lift, from a stored state."""
    path = folder / "lift-mh-low_dim.hdf5"
    theirs = robomimic_simulator(oracle, path)
    ours = make_simulator(make_env_args("Lift"))
    with h5py.File(path) as file:
        group = file["data/demo_0"]
        model, states = group.attrs["model_file"], group["states"][:1]
        actions = group["actions"][()]
    observe_states(ours, model, states)
    theirs.reset_to({"states": states[0], "model": model})
    rewards = []
    for action in np.concatenate([actions, actions[-5:]]):
        expected, reward, _, _ = theirs.step(action)
        raw, *outcome = ours.step(action)
        assert outcome[0] == reward
        rewards.append(reward)
        for key, value in named_observation(raw).items():
            np.testing.assert_array_equal(value, expected[key], err_msg=key)
        assert theirs.is_success()["task"] == (reward == 1)
    assert set(rewards) == {0, 1}


def test_an_environment_shows_what_robomimic_s_shows(oracle, folder):
    """From the same start, over some steps, to the bit."""
    path = folder / "can-mh-low_dim.hdf5"
    theirs = robomimic_simulator(oracle, path)
    ours = RobomimicEnvironment(parse_task("can-mh-low_dim", TaskSettings()), folder)
    reset_simulator(theirs.env, 3)
    first, expected = ours.reset(3), theirs.get_observation(theirs.env._get_observations())
    for action in np.random.default_rng(0).uniform(-1, 1, (9, 7)):
        vector = np.concatenate([expected[key] for key in oracle.keys])
        np.testing.assert_array_equal(first, np.float32(vector))
        first, reward, *_ = ours.step(action)
        expected, sparse, _, _ = theirs.step(action)
        assert reward == sparse - 1
