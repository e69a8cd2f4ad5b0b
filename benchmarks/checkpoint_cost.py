"""Measure the cost of checkpoints at the paper's sizes: seconds each, and share of the run time.

    python benchmarks/checkpoint_cost.py

The learner has the sizes of cube-triple, the widest task of the paper except the humanoid. A
checkpoint also appends the transitions since the last one. Prints one JSON line.
"""

import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from fmq.acting.checkpoint import save_checkpoint
from fmq.config.reading import load_study
from fmq.config.tasks import TaskSettings
from fmq.data.normalization import Normalizer
from fmq.training.learner import Backup, Learner
from fmq.training.transition_log import TransitionLog

ROOT = Path(__file__).parents[1]
OBSERVATION, ACTION = 46, 5
STEPS_PER_SECOND = 150  # of a fast GPU, which has the most transitions per checkpoint
REPETITIONS = 10


def main() -> None:
    study = load_study(ROOT / "config.yaml", ROOT / "config/paper.yaml")
    normalizer = Normalizer(torch.zeros(OBSERVATION), torch.ones(OBSERVATION))
    task = TaskSettings()
    backup = Backup(task.discount, task.chunk_length)
    size = task.chunk_length * ACTION
    learner = Learner(study.networks, backup, normalizer, size, init_seed=0, noise_seed=0)
    observation, action = np.zeros(OBSERVATION, np.float32), np.zeros(ACTION, np.float32)
    seconds = []
    with tempfile.TemporaryDirectory() as temporary:
        log = TransitionLog(Path(temporary) / "transitions.bin", OBSERVATION, ACTION)
        for _ in range(REPETITIONS):
            for _ in range(int(STEPS_PER_SECOND * study.checkpoint_seconds)):
                log.add(observation, action, 0.0, 1.0, False, observation)
            before = time.perf_counter()
            log.flush()
            save_checkpoint(Path(temporary) / "progress.pt", "", learner.state())
            seconds.append(time.perf_counter() - before)
        megabytes = (Path(temporary) / "progress.pt").stat().st_size / 1e6
    median = statistics.median(seconds)
    share = median / study.checkpoint_seconds
    print(
        json.dumps({"seconds": round(median, 3), "megabytes": round(megabytes, 1), "share": share})
    )


if __name__ == "__main__":
    main()
