"""Transitions of whole episodes, whatever the format of their file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fmq.datasets import training_file
from fmq.tasks import Task


@dataclass(frozen=True)
class Transitions:
    """Transitions (s_i, a_i, r_i, s_{i+1}) of whole episodes, in order.

    Attributes:
        observations: float32 (rows, obs), every state once, each episode's last one too.
        actions: float32 (n, A).
        rewards: float32 (n,).
        masks: float32 (n,), 0 where the task is solved and nothing follows, else 1.
        terminals: bool (n,), on the last transition of every episode, solved or not.
        rows: int64 (n,), row of s_i in `observations`.
        next_rows: int64 (n,), row of s_{i+1}.
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    masks: np.ndarray
    terminals: np.ndarray
    rows: np.ndarray
    next_rows: np.ndarray


def load_transitions(folder: Path, task: Task) -> Transitions:
    """The training data of a task, with its rewards and masks.

    Raises:
        UserError: the file is missing, damaged, or does not fit the task's simulator.
    """
    path = folder / training_file(task.dataset)
    if task.suite == "robomimic":
        from fmq.data.robomimic import read_transitions
    else:
        from fmq.data.ogbench import read_transitions
    return read_transitions(path, task)
