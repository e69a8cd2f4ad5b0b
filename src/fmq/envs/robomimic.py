"""RoboMimic's simulators: robosuite's tasks, made as a data file says.

What an observation is here, and when it is taken, follows RoboMimic's own wrapper of robosuite.
One thing to know: in PickPlaceCan and NutAssemblySquare, robosuite computes the object's pose
relative to the gripper from the object's pose one control step before. RoboMimic's files hold the
same late values, so they are kept.
"""

import json
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fmq.data.hdf5 import OTHER_FORMAT, open_file, read_attribute, read_group
from fmq.datasets import training_file
from fmq.envs.environment import FloorPlan, Transition
from fmq.errors import UserError
from fmq.messages import one_line, shown
from fmq.tasks import Task

EPISODE_LIMITS = {"Lift": 300, "PickPlaceCan": 300, "NutAssemblySquare": 400}
"""Control steps (of 1/20 s) per episode, by robosuite's name of the task."""

CAMERA = "agentview"
"""robosuite's name for the camera across the table."""

_OLDEST = (1, 5)
_OVERRIDES = {
    "has_renderer": False,
    "use_camera_obs": False,
    "use_object_obs": True,
    "ignore_done": True,
    "hard_reset": True,
    "reward_shaping": False,
    "reward_scale": 1.0,
    "lite_physics": True,  # the same numbers as without, sooner
}
"""What is the same for every data file: no window, sparse rewards in {0, 1}, no own limit."""

ROBOSUITE_TYPE = 1
"""RoboMimic's number for simulators of robosuite."""

Observation = dict[str, np.ndarray]


class RobomimicEnvironment:
    """One simulator of a RoboMimic task; an episode ends at its first success."""

    def __init__(self, task: Task, folder: Path, size: int | None = None) -> None:
        """Make the simulator of the data file in `folder`.

        Args:
            size: width and height of pictures; None makes a simulator without graphics.

        Raises:
            UserError: the folder has no such file, it is damaged, of another task or of an older
                robosuite, its simulator cannot be made, or it shows no such observations.
        """
        env_args = read_env_args(folder / training_file(task.dataset), task.environment)
        self._simulator = make_simulator(env_args, pictures=size is not None)
        self._size = size
        self._keys = task.reading.observations
        widths = observation_widths(self._simulator, self._keys)
        self._limit = task.settings.episode_limit or EPISODE_LIMITS[task.environment]
        self._sparse = task.settings.sparse_reward
        self.observation_size = sum(widths.values())
        self.action_size = int(self._simulator.action_dim)
        self._steps = 0

    def reset(self, seed: int) -> np.ndarray:
        """Start the episode that `seed` names; returns its first observation, shape (O,)."""
        self._steps = 0
        return self._vector(reset_simulator(self._simulator, seed))

    def step(self, action: np.ndarray) -> Transition:
        """Execute one action of shape (A,), in [-1, 1]; the reward is -1, and 0 on success."""
        raw, reward, _, _ = self._simulator.step(action)
        self._steps += 1
        success = bool(self._simulator._check_success())
        reward = 0.0 if success else float(reward) - 1
        return Transition(
            self._vector(named_observation(raw)),
            -1.0 if self._sparse and reward != 0 else reward,
            terminated=success,
            truncated=self._steps >= self._limit and not success,
            success=success,
        )

    def state(self) -> np.ndarray:
        """The simulator's positions."""
        return np.array(self._simulator.sim.data.qpos)

    def floor_plan(self) -> FloorPlan | None:
        """There is no maze."""
        return None

    def picture(self, state: np.ndarray) -> np.ndarray:
        """The present episode in a state that it had, as the camera before the robot sees it."""
        sim = self._simulator.sim
        sim.data.qpos[:] = state
        sim.forward()
        upside_down = sim.render(camera_name=CAMERA, width=self._size, height=self._size)
        return upside_down[::-1]

    def _vector(self, observation: Observation) -> np.ndarray:
        parts = [observation[key] for key in self._keys]
        return np.concatenate(parts).astype(np.float32)


def read_env_args(path: Path, environment: str) -> dict[str, Any]:
    """What a data file says of its simulator: `env_name`, `env_version`, `type`, `env_kwargs`.

    Args:
        environment: robosuite's name of the simulator that it has to be; any if empty.

    Raises:
        UserError: the file is missing or damaged, says nothing, or is of another task, of an
            older robosuite, or of none.
    """
    with open_file(path) as file:
        text = read_attribute(read_group(file, "data"), "env_args")
    try:
        env_args = json.loads(text)
        name, _ = env_args["env_name"], env_args["env_kwargs"].items()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise UserError(
            f"{path}: attribute env_args of /data is no JSON with env_name and env_kwargs; "
            f"{OTHER_FORMAT}"
        ) from None
    if environment and name != environment:
        raise UserError(
            f"{path}: made in robosuite's {shown(name)}, but the task needs {environment!r}; "
            "take the file of this task"
        )
    if env_args.get("type", ROBOSUITE_TYPE) != ROBOSUITE_TYPE:
        raise UserError(
            f"{path}: env_args have type {shown(env_args['type'])}, allowed is {ROBOSUITE_TYPE}, "
            "which is robosuite; simulators of other packages need code"
        )
    check_version(path, env_args)
    return env_args


def check_version(path: Path, env_args: dict[str, Any]) -> None:
    """Refuse data of robosuite before 1.5, whose numbers mean something else.

    Its `object` vector is as long as 1.5's and has another order, so nothing else would show it.

    Raises:
        UserError: `env_version` is missing, unreadable, or below 1.5.
    """
    version = env_args.get("env_version")
    match = re.match(r"(\d{1,9})\.(\d{1,9})", str(version), re.ASCII)
    if match is None or (int(match[1]), int(match[2])) < _OLDEST:
        told = one_line(str(version), 80) if version else "of no known version"
        raise UserError(
            f"{path}: made with robosuite {told}, allowed is 1.5 or "
            "newer (the order of the `object` vector changed); take RoboMimic's v1.5 file, or "
            "make your own again from its states"
        )


def make_simulator(env_args: dict[str, Any], pictures: bool = False) -> Any:
    """A robosuite simulator with sparse rewards and no time limit of its own.

    Args:
        env_args: as `read_env_args` returns them; left as they are.
        pictures: whether it can draw them, for which it wants a graphics library.

    Raises:
        UserError: robosuite does not accept them.
    """
    robosuite = import_robosuite()
    # A copy without shared parts: robosuite writes into what it is given.
    settings = json.loads(json.dumps(env_args["env_kwargs"])) | _OVERRIDES
    settings["has_offscreen_renderer"] = pictures
    try:
        return robosuite.make(env_args["env_name"], **settings)
    except Exception as error:  # robosuite raises plain exceptions and asserts
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"env_args: robosuite {robosuite.__version__} cannot make {env_args['env_name']!r} "
            f"from the data file's env_kwargs ({one_line(reason)}); take RoboMimic's v1.5 file, or "
            "one that this robosuite made"
        ) from None


def import_robosuite() -> Any:
    """The package, without its notes on optional packages and on every controller it loads."""
    logging.getLogger("robosuite_logs").addFilter(_is_error)
    import robosuite

    return robosuite


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR


def reset_simulator(simulator: Any, seed: int | np.random.SeedSequence) -> Observation:
    """Start the episode that `seed` names, whatever came before; returns its first observation.

    robosuite's own generator is set in place: the samplers of object positions hold on to the one
    they were made with, and numpy's global generator has no say.
    """
    simulator.rng.bit_generator.state = np.random.default_rng(seed).bit_generator.state
    simulator.reset()
    # Right after a reset the object's pose relative to the gripper is still all zeros.
    return observe(simulator)


def observe(simulator: Any) -> Observation:
    """The observation of the simulator's present state, by RoboMimic's names."""
    return named_observation(simulator._get_observations(force_update=True))


def named_observation(raw: Observation) -> Observation:
    """robosuite's observation by RoboMimic's names: the robots' sensors, and `object`."""
    named = {
        key: np.array(value)
        for key, value in raw.items()
        if re.match(r"robot\d", key) and not key.endswith("proprio-state")
    }
    return named | ({"object": np.array(raw["object-state"])} if "object-state" in raw else {})


def observation_widths(simulator: Any, keys: Sequence[str]) -> dict[str, int]:
    """How many numbers each part of an observation has; `UserError` for one that is not there."""
    seen = observe(simulator)
    for key in keys:
        if key not in seen:
            raise UserError(
                f"observations: robosuite's {type(simulator).__name__} shows no {key!r}; allowed "
                f"are {', '.join(seen)}"
            )
    return {key: seen[key].size for key in keys}


def quaternions(simulator: Any, keys: Sequence[str]) -> list[slice]:
    """Where a vector of the observations `keys` has quaternions; q and -q are the same turn."""
    places, start = [], 0
    for key, width in observation_widths(simulator, keys).items():
        sensors = _object_sensors(simulator) if key == "object" else {key: width}
        for name, size in sensors.items():
            if "quat" in name and size == 4:
                places.append(slice(start, start + size))
            start += size
    return places


def _object_sensors(simulator: Any) -> dict[str, int]:
    """What robosuite joins to `object-state`, in its order, and how many numbers each has."""
    return {
        name: int(np.size(sensor.obs))
        for name, sensor in simulator._observables.items()
        if sensor.modality == "object" and sensor.is_enabled() and sensor.is_active()
    }


def observe_states(simulator: Any, model: str, states: np.ndarray) -> Observation:
    """What the simulator shows in one stored state after the other, a row for each.

    Args:
        model: of the demonstration that the states are from, as XML.
        states: as robosuite flattens them, shape (n, S); actions play no part.
    """
    simulator.reset()
    simulator.reset_from_xml_string(simulator.edit_model_xml(model))
    simulator.sim.reset()
    observations = []
    for state in states:
        simulator.sim.set_state_from_flattened(state)
        simulator.sim.forward()
        observations.append(observe(simulator))
    return {key: np.stack([one[key] for one in observations]) for key in observations[0]}
