"""What a task's simulator brings along: the sizes of its numbers, and where it is made from."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from fmq.datasets import DatasetSettings, FileData, refuse_missing_files, training_file
from fmq.tasks import Task


class Sizes(NamedTuple):
    """Numbers in an observation and in an action; bytes of a row of data, None if not known."""

    observation: int
    action: int
    row_bytes: int | None


def prepare_simulator(task: Task, settings: DatasetSettings, folder: Path) -> Sizes:
    """Load all that simulators of the task need, and tell their sizes.

    Args:
        settings: of the task's data set.
        folder: as of the task's data set; it takes a file to make RoboMimic's simulators from.

    Raises:
        UserError: the data set is a file of the study's own, and that cannot be used.
    """
    if task.suite == "robomimic":
        return _prepare_robomimic(task, settings, folder)
    return _prepare_ogbench(task)


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


def _prepare_robomimic(task: Task, settings: DatasetSettings, folder: Path) -> Sizes:
    """Without a file of the study's own, one without data that has the settings of fmq's own."""
    import h5py

    from fmq.data.demonstrations import make_env_args
    from fmq.envs.robomimic import RobomimicEnvironment

    path = folder / training_file(task.dataset)
    if isinstance(settings, FileData):
        refuse_missing_files({task.dataset: settings})
        path.symlink_to(settings.file.resolve())
    else:
        with h5py.File(path, "w") as file:
            env_args = make_env_args(task.environment)
            file.create_group("data").attrs["env_args"] = json.dumps(env_args)
    environment = RobomimicEnvironment(task, folder)
    return Sizes(environment.observation_size, environment.action_size, None)
