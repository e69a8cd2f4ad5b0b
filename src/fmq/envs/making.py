"""Make the simulators of a task; a suite's packages are imported only when needed."""

from pathlib import Path

from fmq.config.tasks import Task
from fmq.envs.environment import Visible
from fmq.envs.ogbench import OGBenchEnvironment
from fmq.envs.processes import SimulatorProcesses
from fmq.envs.simulators import LocalSimulators, Simulators


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


def make_simulators(
    user: str, task: Task, folder: Path, count: int, processes: int, apart: bool = False
) -> Simulators:
    """Return `count` new simulators of `task`: in this process, or shared among several.

    Args:
        user: what they are for, which messages about their processes begin with.
        folder: the data set's folder, as for `make_environment`.
        processes: number of processes, of which no more than `count` are started; with 1, the
            simulators are in this one.
        apart: start a process even for 1.

    Raises:
        UserError: the data file is missing or damaged, or a simulator cannot be made.
    """
    if apart or min(processes, count) > 1:
        return SimulatorProcesses(user, task, folder, count, min(processes, count))
    return LocalSimulators([make_environment(task, folder) for _ in range(count)])
