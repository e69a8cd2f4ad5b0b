"""What a job claims: cores, GPUs, memory and priority."""

from collections.abc import Callable
from typing import Any

from fmq.config.datasets import expected_rows, is_generated
from fmq.config.study import Study, find_dataset

GENERATOR_THREADS = 8

PRIORITIES = {"pretrain": 2, "distill": 2, "finetune": 1}
"""Priorities by rule, so that long chains start first; other rules have 0."""


def dataset_threads(study: Study, dataset: str) -> int:
    """Return the cores for making a data set; a download or a local file takes one."""
    return GENERATOR_THREADS if is_generated(find_dataset(study, dataset)) else 1


def job_threads(study: Study) -> int:
    """Return the cores of a training or evaluation job, whose policy and simulators alternate."""
    return max(study.threads, study.evaluation.workers)


def gpus(study: Study) -> int:
    """Return the number of GPUs of a training job, for `--resources gpu=N` and clusters."""
    return int(study.wants_gpu)


def memory_mb(study: Study, task: str, seeds: int = 1) -> int:
    """Return the memory of a training or evaluation job in MB, from `benchmarks/memory.py`.

    The measurements are:

    - 0.7 GB for a process with torch and its networks;
    - 0.18 GB for a simulator of OGBench's manipulation suite, which loads meshes, and 0.13 GB for a
      robosuite simulator (measured while generating data);
    - briefly, 1.3 kB per row for the data and its copy in the buffer;
    - up to 0.45 GB for each evaluation process, in addition to its simulators;
    - for each further seed trained in the same process: a simulator, 0.1 GB of networks, and a copy
      of the data in a buffer, up to 0.4 kB per row (humanoid).
    """
    dataset = study.task(task).dataset
    rows = max(expected_rows(dataset, study.datasets[dataset]), study.online.capacity)
    simulators = study.evaluation.simulators + 1
    workers = study.evaluation.workers if study.evaluation.workers > 1 else 0
    further = (seeds - 1) * (500 + 400 * rows // 1_000_000)
    return 1000 + 200 * simulators + 450 * workers + 1500 * rows // 1_000_000 + further


def training_memory_mb(study: Study, task: str) -> int:
    """Return the memory of a training job, which may train all seeds, in MB."""
    return memory_mb(study, task, len(study.seeds) if study.training.stack_seeds else 1)


def memory(study: Study, training: bool = False) -> Callable[[Any, int], int]:
    """Return a rule's function of wildcards and attempt; a further attempt may use more memory."""
    of_task = training_memory_mb if training else memory_mb

    def asked(wildcards: Any, attempt: int) -> int:
        return attempt * of_task(study, wildcards.task)

    return asked
