"""The scripted expert of robosuite's Lift and PickPlaceCan: grasp from above, lift, put into a bin.

Actions are those of the OSC_POSE controller used in RoboMimic's data: desired changes of the
gripper's position and orientation, and a command to the fingers.
"""

from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from fmq.envs.robosuite import Observation

HOVER = np.array([0, 0, 0.08])
"""Offset from the grasp, in metres, where the descent begins."""

CARRY = np.array([0, 0, 0.25])
"""Offset from the grasp, in metres, at which an object is carried."""

GRASP = {"Lift": np.zeros(3), "PickPlaceCan": np.array([0, 0, 0.01])}
"""Where to grasp, in metres from the object's centre; any lower, the hand would touch the can."""

CLOSING_STEPS = 8
"""Number of control steps that the fingers need to close on an object."""

PATIENCE = 60
"""Number of control steps after which a motion ends; noise can keep it from arriving."""

OPEN, CLOSED = -1.0, 1.0

Script = Generator[np.ndarray, Observation, Any]
"""A generator that yields actions of shape (7,) and is sent the observation after each."""

_Command = Callable[[np.ndarray, float, Observation], np.ndarray]


def noisy_script(
    simulator: Any, observation: Observation, noise: float, generator: np.random.Generator
) -> Script:
    """Run the expert with Gaussian noise on its six motion commands, not on the fingers.

    Args:
        simulator: Lift or PickPlaceCan, just reset; it is only read.
        observation: the first observation of the episode.
        noise: standard deviation, in units of the action; the sum is clipped to [-1, 1].
        generator: the random stream of the noise.
    """
    script = _plan(simulator, observation)
    action = next(script)
    while True:
        disturbance = np.append(noise * generator.standard_normal(6), 0)
        observation = yield np.clip(action + disturbance, -1, 1)
        action = script.send(observation)


def _plan(simulator: Any, observation: Observation) -> Script:
    """Hover, descend, close, lift; carry and release a can. Repeat the last command for ever."""
    task = type(simulator).__name__
    command = partial(_command, simulator, Rotation.from_quat(observation["robot0_eef_quat"]))

    def grasp() -> np.ndarray:
        return _object_position(simulator) + GRASP[task]

    observation = yield from _go(command, lambda: grasp() + HOVER, OPEN, 0.02, observation)
    observation = yield from _go(command, grasp, OPEN, 0.01, observation)
    held = grasp()
    for _ in range(CLOSING_STEPS):
        observation = yield command(held, CLOSED, observation)
    goal, fingers = held + CARRY, CLOSED
    if task == "PickPlaceCan":
        observation = yield from _go(command, lambda: held + CARRY, CLOSED, 0.05, observation)
        bin_centre = simulator.target_bin_placements[simulator.object_id][:2]
        goal, fingers = np.append(bin_centre, goal[2]), OPEN
        observation = yield from _go(command, lambda: goal, CLOSED, 0.03, observation)
    while True:
        observation = yield command(goal, fingers, observation)


def _go(
    command: _Command,
    target: Callable[[], np.ndarray],
    fingers: float,
    tolerance: float,
    observation: Observation,
) -> Script:
    """Move to within `tolerance` metres of the target; return the last observation."""
    for _ in range(PATIENCE):
        place = target()
        if np.linalg.norm(place - observation["robot0_eef_pos"]) < tolerance:
            break
        observation = yield command(place, fingers, observation)
    return observation


def _object_position(simulator: Any) -> np.ndarray:
    """Return the centre of the cube or can in metres, in the world frame, shape (3,)."""
    if type(simulator).__name__ == "Lift":
        body = simulator.cube_body_id
    else:
        body = simulator.obj_body_id[simulator.obj_to_use]
    return np.array(simulator.sim.data.body_xpos[body])


def _command(
    simulator: Any,
    orientation: Rotation,
    place: np.ndarray,
    fingers: float,
    observation: Observation,
) -> np.ndarray:
    """Return the action towards a position (metres, world frame) and an orientation.

    A full command requests 0.05 m and 0.5 rad; the arm covers about a third of it per step. The
    controller expects both in the world frame or the robot's base frame, as configured.
    """
    controller = simulator.robots[0].part_controllers["right"]
    frame = np.eye(3) if controller.input_ref_frame == "world" else controller.origin_ori
    shift = place - observation["robot0_eef_pos"]
    turn = orientation * Rotation.from_quat(observation["robot0_eef_quat"]).inv()
    motion = [frame.T @ shift / 0.05, frame.T @ turn.as_rotvec() / 0.5]
    return np.append(np.clip(np.concatenate(motion), -1, 1), fingers)
