"""Make robosuite simulators from a data file in RoboMimic's format, and read observations.

The content and timing of observations follow RoboMimic's own wrapper of robosuite. In
PickPlaceCan and NutAssemblySquare, robosuite computes the object's pose relative to the gripper
from the object's pose of the previous control step. RoboMimic's files hold the same delayed
values, so they are kept.
"""

import json
import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fmq.base.errors import UserError
from fmq.base.hdf5 import OTHER_FORMAT, open_file, read_attribute, read_group
from fmq.base.messages import one_line, shown

_OLDEST = (1, 5)
_OVERRIDES = {
    "has_renderer": False,
    "use_camera_obs": False,
    "use_object_obs": True,
    "ignore_done": True,
    "hard_reset": True,
    "reward_shaping": False,
    "reward_scale": 1.0,
    "lite_physics": True,  # same results, but faster
}
"""Settings that override every data file: no window, sparse rewards in {0, 1}, no time limit."""

ROBOSUITE_TYPE = 1
"""RoboMimic's `type` number for robosuite simulators."""

INSTALL_EXTRA = "in fmq's clone, `make install-robomimic` or `pip install -e '.[robomimic]'`"
"""How to install robosuite and its dependencies, for error messages."""

Observation = dict[str, np.ndarray]


def read_env_args(path: Path, environment: str) -> dict[str, Any]:
    """Read a data file's simulator settings.

    Args:
        path: the HDF5 data file.
        environment: the expected robosuite environment name; empty accepts any.

    Returns:
        A dictionary with `env_name`, `env_version`, `type` and `env_kwargs`.

    Raises:
        UserError: the file is missing or damaged, lacks the settings, or was made for another
            task, with an older robosuite, or with another simulator package.
    """
    with open_file(path) as file:
        text = read_attribute(read_group(file, "data"), "env_args")
    try:
        env_args = json.loads(text)
        name, _ = env_args["env_name"], env_args["env_kwargs"].items()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise UserError(
            f"{path}: attribute env_args of /data is not JSON with env_name and env_kwargs; "
            f"{OTHER_FORMAT}"
        ) from None
    if environment and name != environment:
        raise UserError(
            f"{path}: made in robosuite's {shown(name)}, but the task needs {environment!r}; "
            "use the file of this task"
        )
    if env_args.get("type", ROBOSUITE_TYPE) != ROBOSUITE_TYPE:
        raise UserError(
            f"{path}: env_args have type {shown(env_args['type'])}, allowed is {ROBOSUITE_TYPE} "
            "(robosuite); simulators of other packages are not supported"
        )
    check_version(path, env_args)
    return env_args


def kept_env_kwargs() -> dict[str, Any]:
    """Return the keyword arguments of simulators that are made without a data file."""
    kept: dict[str, Any] = json.loads(
        Path(__file__).with_name("env_args.json").read_text(encoding="utf-8")
    )
    return dict(kept["env_kwargs"])


def check_version(path: Path, env_args: dict[str, Any]) -> None:
    """Reject data made with robosuite before 1.5, which orders observations differently.

    The older `object` vector has the same length but another order, so no shape check finds it.

    Raises:
        UserError: `env_version` is missing, unreadable, or below 1.5.
    """
    version = env_args.get("env_version")
    match = re.match(r"(\d{1,9})\.(\d{1,9})", str(version), re.ASCII)
    if match is None or (int(match[1]), int(match[2])) < _OLDEST:
        told = one_line(str(version), 80) if version else "of unknown version"
        raise UserError(
            f"{path}: made with robosuite {told}, allowed is 1.5 or "
            "newer (the order of the `object` vector changed); use RoboMimic's v1.5 file, or "
            "regenerate your own from its states"
        )


def make_simulator(env_args: dict[str, Any], pictures: bool = False) -> Any:
    """Return a robosuite simulator with sparse rewards and no time limit of its own.

    Args:
        env_args: settings as returned by `read_env_args`; they are not modified.
        pictures: whether the simulator can draw, which needs a graphics library.

    Raises:
        UserError: robosuite rejects the settings, or is not installed.
    """
    robosuite = import_robosuite()
    # A deep copy, because robosuite modifies its arguments.
    settings = json.loads(json.dumps(env_args["env_kwargs"])) | _OVERRIDES
    settings["has_offscreen_renderer"] = pictures
    try:
        return robosuite.make(env_args["env_name"], **settings)
    except Exception as error:  # robosuite raises plain exceptions and asserts
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"env_args: robosuite {robosuite.__version__} cannot make {env_args['env_name']!r} "
            f"from the data file's env_kwargs ({one_line(reason)}); use RoboMimic's v1.5 file, or "
            "one made with this robosuite"
        ) from None


def import_robosuite() -> Any:
    """Import and return robosuite, with its log messages below ERROR silenced.

    robosuite sets MUJOCO_GL on import; the previous value is restored. Otherwise other simulators
    would load EGL, and importing Triton crashes if that is Mesa's EGL for CPUs.

    Raises:
        UserError: robosuite, or a package that it needs, is not installed.
    """
    logging.getLogger("robosuite_logs").addFilter(_is_error)
    graphics = os.environ.get("MUJOCO_GL")
    try:
        import robosuite
    except ModuleNotFoundError as error:
        raise UserError(
            f"package {error.name} is not installed, but RoboMimic's tasks need it; {INSTALL_EXTRA}"
        ) from None
    finally:
        os.environ.pop("MUJOCO_GL", None)
        if graphics is not None:
            os.environ["MUJOCO_GL"] = graphics
    return robosuite


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR


def reset_simulator(simulator: Any, seed: int | np.random.SeedSequence) -> Observation:
    """Start the episode given by `seed` and return its first observation.

    The episode does not depend on earlier ones. The state of robosuite's generator is set in
    place, because the samplers of object positions keep a reference to it; numpy's global
    generator plays no part.
    """
    simulator.rng.bit_generator.state = np.random.default_rng(seed).bit_generator.state
    simulator.reset()
    # Right after a reset the object's pose relative to the gripper is still all zeros.
    return observe(simulator)


def observe(simulator: Any) -> Observation:
    """Return the observation of the simulator's current state under RoboMimic's names."""
    return named_observation(simulator._get_observations(force_update=True))


def named_observation(raw: Observation) -> Observation:
    """Rename a robosuite observation as RoboMimic does: robot sensors and `object`."""
    named = {
        key: np.array(value)
        for key, value in raw.items()
        if re.match(r"robot\d", key) and not key.endswith("proprio-state")
    }
    return named | ({"object": np.array(raw["object-state"])} if "object-state" in raw else {})


def observation_widths(simulator: Any, keys: Sequence[str]) -> dict[str, int]:
    """Return the width of each part of an observation; raise `UserError` if one is missing."""
    seen = observe(simulator)
    for key in keys:
        if key not in seen:
            raise UserError(
                f"observations: robosuite's {type(simulator).__name__} shows no {key!r}; allowed "
                f"are {', '.join(seen)}"
            )
    return {key: seen[key].size for key in keys}


def quaternions(simulator: Any, keys: Sequence[str]) -> list[slice]:
    """Return the slices of quaternions in the observation vector made of `keys`.

    They need special care in comparisons: q and -q are the same rotation.
    """
    places, start = [], 0
    for key, width in observation_widths(simulator, keys).items():
        sensors = _object_sensors(simulator) if key == "object" else {key: width}
        for name, size in sensors.items():
            if "quat" in name and size == 4:
                places.append(slice(start, start + size))
            start += size
    return places


def _object_sensors(simulator: Any) -> dict[str, int]:
    """Return the width of each sensor in `object-state`, in robosuite's order."""
    return {
        name: int(np.size(sensor.obs))
        for name, sensor in simulator._observables.items()
        if sensor.modality == "object" and sensor.is_enabled() and sensor.is_active()
    }


def observe_states(simulator: Any, model: str, states: np.ndarray) -> Observation:
    """Put the simulator into each stored state in turn and return the observations.

    Args:
        simulator: a robosuite simulator, from `make_simulator`.
        model: the XML model of the demonstration that the states come from.
        states: states as flattened by robosuite, shape (n, S).

    Returns:
        Arrays of shape (n, width), by RoboMimic's names. No actions are executed.
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
