"""What a job claims: cores, GPUs, memory and priority."""

from collections.abc import Callable
from typing import Any

from fmq.config.datasets import expected_rows, is_generated
from fmq.config.study import Study, find_dataset
from fmq.pipeline.diagnosis import EPISODES

GENERATOR_THREADS = 8

PRIORITIES = {"dataset": 3, "pretrain": 2, "distill": 2, "finetune": 1}
"""Priorities by rule, so that long chains start first; other rules have 0.

A data set that is generated takes several cores. Made later, it would wait for a moment in which as
many are free, and the first of them would idle until then.
"""


def dataset_threads(study: Study, dataset: str) -> int:
    """Return the cores for making a data set; a download or a local file takes one."""
    return GENERATOR_THREADS if is_generated(find_dataset(study, dataset)) else 1


def job_threads(study: Study) -> int:
    """Return the cores of an evaluation, whose policy and simulators alternate, or of training."""
    return max(study.threads, study.evaluation.workers)


def training_threads(study: Study) -> int:
    """Return the cores of a training job, with those of evaluations beside the training."""
    beside = study.evaluation.beside
    return study.threads + job_threads(study) if beside else job_threads(study)


def online_threads(study: Study) -> int:
    """Return the cores of an online run, whose simulators may step beside its updates."""
    simulators = simulator_processes(study)
    if study.evaluation.beside:
        return training_threads(study) + simulators
    return max(job_threads(study), study.threads + simulators)


def simulator_processes(study: Study) -> int:
    """Return the number of simulators that an online run's job steps beside its updates."""
    if study.online.simulators == "here":
        return 0
    return len(study.seeds) if study.training.stack_seeds else 1


def gpus(study: Study) -> int:
    """Return the number of GPUs of a training job, for `--resources gpu=N` and clusters."""
    return int(study.wants_gpu)


def evaluation_gpus(study: Study) -> int:
    """Return the number of GPUs of an evaluation job: none, unless the settings name a GPU."""
    return 0 if study.device == "auto" else gpus(study)


def recording_gpus(study: Study) -> Callable[[Any], int]:
    """Return a rule's function of wildcards: the GPUs of a job that repeats a last evaluation."""

    def asked(wildcards: Any) -> int:
        if not study.method(wildcards.method).trained:
            return evaluation_gpus(study)
        return 0 if study.evaluation.beside else gpus(study)

    return asked


def memory_mb(study: Study, task: str, seeds: int = 1, simulators: int = 0) -> int:
    """Return the memory of a training or evaluation job in MB, from `benchmarks/memory.py`.

    The measurements are:

    - 0.7 GB for a process with torch and its networks;
    - 0.18 GB for a simulator of OGBench's manipulation suite, which loads meshes, and 0.13 GB for a
      robosuite simulator (measured while generating data);
    - briefly, 1.3 kB per row for the data and its copy in the buffer;
    - up to 0.45 GB for each process of simulators, in addition to these;
    - `simulators`, if these are more than an evaluation's;
    - for each further seed trained in the same process: a simulator, 0.1 GB of networks, and a copy
      of the data in a buffer, up to 0.4 kB per row (humanoid).
    """
    dataset = study.task(task).dataset
    rows = max(expected_rows(dataset, study.datasets[dataset]), study.online.capacity)
    simulators = max(simulators, study.evaluation.simulators) + 1
    workers = study.evaluation.workers if study.evaluation.workers > 1 else 0
    further = (seeds - 1) * (500 + 400 * rows // 1_000_000)
    return 1000 + 200 * simulators + 450 * workers + 1500 * rows // 1_000_000 + further


def training_memory_mb(study: Study, task: str) -> int:
    """Return the memory of a training job, which may train all seeds, in MB.

    The process of evaluations beside the training has the simulators that the job's own would have.
    """
    seeds = len(study.seeds) if study.training.stack_seeds else 1
    beside = 700 if study.evaluation.beside else 0
    return memory_mb(study, task, seeds) + beside + 450 * simulator_processes(study)


def diagnosis_memory_mb(study: Study, task: str) -> int:
    """Return the memory of `fmq diagnose` in MB, which runs all its episodes at a time."""
    return memory_mb(study, task, simulators=EPISODES)


def memory(
    study: Study, of_task: Callable[[Study, str], int] = memory_mb
) -> Callable[[Any, int], int]:
    """Return a rule's function of wildcards and attempt; further attempts may use twice as much.

    Not more, because an attempt may also have ended at its time limit, and a job that asks for more
    memory than any node has waits forever.
    """

    def asked(wildcards: Any, attempt: int) -> int:
        return min(attempt, 2) * of_task(study, wildcards.task)

    return asked
