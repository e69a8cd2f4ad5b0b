"""Simulators of robosuite, made as a data file in RoboMimic's format says, and their observations.

What an observation is here, and when it is taken, follows RoboMimic's own wrapper of robosuite.
One thing to know: in PickPlaceCan and NutAssemblySquare, robosuite computes the object's pose
relative to the gripper from the object's pose one control step before. RoboMimic's files hold the
same late values, so they are kept.
"""

import json
import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fmq.data.hdf5 import OTHER_FORMAT, open_file, read_attribute, read_group
from fmq.errors import UserError
from fmq.messages import one_line, shown

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

INSTALL_EXTRA = "in fmq's clone, `make install-robomimic` or `pip install -e '.[robomimic]'`"
"""How robosuite and what it needs come, for messages."""

Observation = dict[str, np.ndarray]


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
        UserError: robosuite does not accept them, or is not installed.
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
    """The package, without its notes on optional packages and on every controller it loads.

    MUJOCO_GL, which robosuite sets as it is imported, stays as it was: other simulators would load
    EGL because of it, and importing Triton crashes where that is Mesa's, for a CPU.

    Raises:
        UserError: it, or a package that it needs, is not installed.
    """
    logging.getLogger("robosuite_logs").addFilter(_is_error)
    graphics = os.environ.get("MUJOCO_GL")
    try:
        import robosuite
    except ModuleNotFoundError as error:
        raise UserError(
            f"package {error.name} is not installed, which RoboMimic's tasks need; {INSTALL_EXTRA}"
        ) from None
    finally:
        os.environ.pop("MUJOCO_GL", None)
        if graphics is not None:
            os.environ["MUJOCO_GL"] = graphics
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
