"""What a task's simulator brings along: the sizes of its numbers, and where it is made from."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from fmq.datasets import training_file
from fmq.tasks import Task


class Sizes(NamedTuple):
    """Numbers in an observation and in an action; bytes of a row of data, None if not known."""

    observation: int
    action: int
    row_bytes: int | None


def prepare_simulator(task: Task, folder: Path) -> Sizes:
    """Load all that simulators of the task need, and tell their sizes.

    Args:
        folder: as of the task's data set; it takes a file to make RoboMimic's simulators from.
    """
    return _prepare_robomimic(task, folder) if task.suite == "robomimic" else _prepare_ogbench(task)


def _prepare_ogbench(task: Task) -> Sizes:
    """A row holds an observation, an action, the simulator's state, buttons, and a terminal."""
    import gymnasium
    import ogbench  # noqa: F401  registers the simulators

    environment = gymnasium.make(task.environment, disable_env_checker=True)
    spaces = environment.observation_space, environment.action_space
    observation, action = (len(space.sample()) for space in spaces)
    simulator: Any = environment.unwrapped
    model, buttons = simulator.model, len(getattr(simulator, "_cur_button_states", ()))
    floats = observation + action + model.nq + model.nv
    return Sizes(observation, action, 4 * floats + 8 * buttons + 1)


def _prepare_robomimic(task: Task, folder: Path) -> Sizes:
    """The file has no data: it says how the simulator is made, with the settings of fmq's own."""
    import h5py

    from fmq.data.demonstrations import make_env_args
    from fmq.envs.robomimic import ACTION_WIDTH, make_simulator, observation_widths

    env_args = make_env_args(task.environment)
    with h5py.File(folder / training_file(task.dataset), "w") as file:
        file.create_group("data").attrs["env_args"] = json.dumps(env_args)
    make_simulator(env_args)
    return Sizes(sum(observation_widths(task.environment).values()), ACTION_WIDTH, None)
