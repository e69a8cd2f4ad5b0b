"""Read the training data of a task from a file of either format."""

from pathlib import Path

from fmq.config.datasets import training_file
from fmq.config.tasks import Task
from fmq.data import ogbench, robomimic
from fmq.data.transitions import Transitions


def load_transitions(folder: Path, task: Task) -> Transitions:
    """Return the training data of a task, with its rewards and masks.

    Raises:
        UserError: the file is missing, damaged, or does not fit the task's simulator.
    """
    path = folder / training_file(task.dataset)
    suite = robomimic if task.suite == "robomimic" else ogbench
    return suite.read_transitions(path, task)
