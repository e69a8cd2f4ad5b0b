"""Make the simulator of a task; a suite's packages are imported only when needed."""

from pathlib import Path

from fmq.config.tasks import Task
from fmq.envs.environment import Visible
from fmq.envs.ogbench import OGBenchEnvironment


def make_environment(task: Task, folder: Path, size: int | None = None) -> Visible:
    """Return a new simulator of `task`.

    Args:
        folder: the data set's folder; RoboMimic's files hold their simulator's settings.
        size: width and height of pictures in pixels; None makes a simulator without graphics.

    Raises:
        UserError: the data file is missing or damaged, or the simulator cannot be made.
    """
    if task.suite == "robomimic":
        from fmq.envs.robomimic import RobomimicEnvironment

        return RobomimicEnvironment(task, folder, size)
    return OGBenchEnvironment(task, size)
