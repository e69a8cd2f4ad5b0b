"""Check that a data file in RoboMimic's format agrees with the simulator that it names."""

from pathlib import Path
from typing import Any

import numpy as np

from fmq.base.errors import UserError
from fmq.base.messages import notice, one_line
from fmq.config.tasks import Task
from fmq.data.actions import fault_of_actions
from fmq.data.demonstration_groups import MOTION
from fmq.data.demonstrations import make_env_args
from fmq.data.robomimic import Sample, read_samples
from fmq.envs.robosuite import (
    make_simulator,
    observation_widths,
    observe,
    observe_states,
    quaternions,
    read_env_args,
    reset_simulator,
)

COMPARED_ROWS = 10
"""Number of states of a demonstration that are compared with the simulator."""

TOLERANCE = 0.02
"""Largest difference allowed, in metres or in components of a unit quaternion.

The arm moves a millimetre or two between robosuite's observation and the end of a control step.
"""

_SAMPLES, _TRANSITIONS = 3, 8
"""How many demonstrations are compared, and how many transitions of each."""

_SHARE = 0.3
"""Largest share of an action's effect that may be missed.

It is 0.01 in scripted data and 0.14 in random ones, because the gripper goes on closing as it was
told before, which no state holds.
"""


def check_against_simulator(path: Path, task: Task) -> None:
    """Compare stored observations with those of the simulator in the same states.

    The first states of a few demonstrations are visited in order, as RoboMimic did to compute its
    files, because robosuite reports the object's relative pose one step late. Actions that lead
    elsewhere than in the file, or to other rewards, are told of on standard error; data may come
    from other physics.

    Raises:
        UserError: a value differs by more than `TOLERANCE`; the simulator has other sizes, cannot
            be made, or rejects the stored states; or any error of `read_transitions`.
    """
    samples = read_samples(path, task, _SAMPLES)
    simulator = make_simulator(read_env_args(path, task.environment))
    widths = observation_widths(simulator, task.reading.observations)
    sizes = {"actions": int(simulator.action_dim)}
    _check_sizes(samples[0], sizes | {f"obs/{key}": width for key, width in widths.items()})
    reached, others = [], []
    for sample in samples:
        _check_observations(sample, simulator, widths)
        reached += [_missed(sample, simulator, row) for row in _rows(sample)]
        others += _other_success(sample, simulator)
    missed, effect = np.array(reached).T
    if fault := fault_of_actions(missed, effect, _SHARE):
        notice(f"{samples[0].where}: {fault}")
        return
    if 2 * len(others) > len(samples):
        notice(f"{others[0]}: rewards may be of other rows or another task")


def _check_observations(sample: Sample, simulator: Any, widths: dict[str, int]) -> None:
    """Raise `UserError` if observations of the sample's first states are not the simulator's."""
    keys = list(widths)
    visited = _visit(sample, simulator)
    shown = np.concatenate([visited[key] for key in keys], axis=1)
    read = np.concatenate([sample.arrays[f"obs/{key}"][: len(shown)] for key in keys], axis=1)
    # Skip row 0: there, RoboMimic's relative pose is from before the object was placed.
    difference = _difference(read, shown, quaternions(simulator, keys))[1:]
    still = [not MOTION.search(key) for key in keys for _ in range(widths[key])]
    difference = np.where(still, difference, 0)
    if not (difference <= TOLERANCE).all():
        row, column = np.unravel_index(difference.argmax(), difference.shape)
        key, place = _part_of(int(column), widths)
        raise UserError(
            f"{sample.where}/obs/{key} differs from the simulator by {difference.max():.3f} in row "
            f"{row + 1}, number {place}; the order of `object` in robosuite 1.4.1 is not that of "
            "1.5: use RoboMimic's v1.5 file, or regenerate your own from its states"
        )


def _rows(sample: Sample) -> np.ndarray:
    """Return rows whose actions are tried, spread over the sample."""
    last = len(sample.states) - 2
    return np.rint(np.linspace(0, last, min(_TRANSITIONS, last + 1))).astype(int)


def _missed(sample: Sample, simulator: Any, row: int) -> tuple[float, float]:
    """Return how far the simulator is from the file's next state, and what the action does."""
    action, state = sample.arrays["actions"][row], sample.states[row]
    reached, still = (_step(simulator, state, one) for one in (action, 0 * action))
    following = sample.states[row + 1][1 : 1 + len(reached)]  # the first number is the time
    return float(np.linalg.norm(reached - following)), float(np.linalg.norm(reached - still))


def _other_success(sample: Sample, simulator: Any) -> list[str]:
    """Describe the first success, or else the last step, if the simulator takes it otherwise.

    A single one may be a matter of a millimetre, so they only count where most samples have one.
    """
    rewards = sample.arrays["rewards"]
    row = int((rewards >= 1).argmax()) if (rewards >= 1).any() else len(rewards) - 1
    _step(simulator, sample.states[row], sample.arrays["actions"][row])
    solved = bool(simulator._check_success())
    if solved == (rewards[row] >= 1):
        return []
    told = "solves" if solved else "does not solve"
    where = f"{sample.where}/rewards has {rewards[row]:g} in row {row}"
    return [f"{where}, which {told} the task in the simulator"]


def _step(simulator: Any, state: np.ndarray, action: np.ndarray) -> np.ndarray:
    """Execute an action in a state of the model that was visited last; return the positions."""
    simulator.sim.set_state_from_flattened(state)
    simulator.sim.forward()
    for robot in simulator.robots:  # or else controllers go on from the state before
        robot.composite_controller.update_state()
        robot.composite_controller.reset()
    simulator.step(action)
    return np.array(simulator.sim.data.qpos)


def compare_with_kept(path: Path, task: Task) -> None:
    """Say on standard error if a file's simulator is not the one that is made without a file.

    Both take the same random actions from the same start. With ``source: none`` policies are
    evaluated in the simulator of `fmq/envs/env_args.json`, which was written without this file.
    """
    kept, own = (
        _visited(make_simulator(env_args), task.reading.observations)
        for env_args in (make_env_args(task.environment), read_env_args(path, task.environment))
    )
    difference = np.abs(kept - own).max()
    if difference > 0:
        notice(
            f"{task.name}: after {COMPARED_ROWS} steps the simulator of this file's env_args "
            f"differs by up to {difference:.2g} from that of fmq/envs/env_args.json, which "
            "`source: none` uses: results of the two are not comparable; please report this"
        )


def _visited(simulator: Any, keys: list[str]) -> np.ndarray:
    """Return an observation after some random actions, the same for equal simulators."""
    generator = np.random.default_rng(0)
    reset_simulator(simulator, 0)
    for _ in range(COMPARED_ROWS):
        simulator.step(generator.uniform(-1, 1, simulator.action_dim))
    seen = observe(simulator)
    return np.concatenate([seen[key] for key in keys])


def _check_sizes(first: Sample, sizes: dict[str, int]) -> None:
    for part, size in sizes.items():
        found = first.arrays[part].shape[1]
        if found != size:
            raise UserError(
                f"{first.where}/{part} has {found} numbers per step, but the simulator of its "
                f"env_args has {size}; use a file made with this simulator"
            )


def _visit(first: Sample, simulator: Any) -> dict[str, np.ndarray]:
    """Return the simulator's observations in the first states."""
    try:
        return observe_states(simulator, first.model, first.states[:COMPARED_ROWS])
    except Exception as error:  # MuJoCo and its XML reader raise plain exceptions
        reason = one_line(" ".join(str(error).split())) or type(error).__name__
        raise UserError(
            f"{first.where}: the simulator cannot be put into the stored states ({reason}); "
            "use RoboMimic's v1.5 file, or one made with this robosuite"
        ) from None


def _difference(stored: np.ndarray, shown: np.ndarray, turns: list[slice]) -> np.ndarray:
    """Return absolute differences; quaternions are compared up to their sign."""
    shown = shown.copy()
    for place in turns:
        opposite = (stored[:, place] * shown[:, place]).sum(axis=1) < 0
        shown[opposite, place] *= -1
    return np.abs(stored - shown)


def _part_of(column: int, widths: dict[str, int]) -> tuple[str, int]:
    """Return the observation part that a column belongs to, and its index within that part."""
    ends = np.cumsum(list(widths.values()))
    part = int(np.searchsorted(ends, column, side="right"))
    return list(widths)[part], column - int(ends[part]) + list(widths.values())[part]
