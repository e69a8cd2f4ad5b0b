"""Prepare a task's simulator without its data set, and determine the sizes of its data."""

from pathlib import Path
from typing import Any, NamedTuple

from fmq.config.datasets import DatasetSettings, FileData, refuse_missing_files, training_file
from fmq.config.tasks import Task


class Sizes(NamedTuple):
    """Dimensions of observation and action, and bytes per row of data (None if unknown)."""

    observation: int
    action: int
    row_bytes: int | None


def prepare_simulator(task: Task, settings: DatasetSettings, folder: Path) -> Sizes:
    """Load everything that simulators of the task need, and return the sizes of their data.

    Args:
        task: task to prepare.
        settings: settings of the task's data set.
        folder: stands in for the folder of the data set; for RoboMimic, the file that simulators
            are made from is put there.

    Raises:
        UserError: the data set is the user's own file, and it is missing or unusable.
    """
    if task.suite == "robomimic":
        return _prepare_robomimic(task, settings, folder)
    return _prepare_ogbench(task)


def _prepare_ogbench(task: Task) -> Sizes:
    """Prepare an OGBench simulator.

    A row of its data holds observation, action, simulator state, button states and a terminal flag.
    """
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
    """Prepare a RoboMimic simulator, from the user's own file if the study has one.

    Otherwise write a file without demonstrations.
    """
    from fmq.data.demonstrations import write_env_args
    from fmq.envs.robomimic import RobomimicEnvironment

    path = folder / training_file(task.dataset)
    if isinstance(settings, FileData):
        refuse_missing_files({task.dataset: settings})
        path.symlink_to(settings.file.resolve())
    else:
        write_env_args(path, task.environment)
    environment = RobomimicEnvironment(task, folder)
    return Sizes(environment.observation_size, environment.action_size, None)
