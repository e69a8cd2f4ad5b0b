"""Hold the measured rates, and compute from them the time and disk space of jobs."""

from collections.abc import Iterable
from dataclasses import dataclass

from fmq.config.sources import find_release, find_source
from fmq.config.study import Study, find_dataset
from fmq.pipeline.runs import Run
from fmq.tools.plan.jobs import Job
from fmq.tools.plan.work import Work

ANALYSIS_SECONDS = {
    **{"scores": 2.0, "statistics": 9.0, "tables": 2.0, "figures": 6.0},
    **{"page": 0.5, "summary_page": 1.0, "settings_page": 1.0, "show": 0.5, "all": 0.0},
}
"""Seconds of analysis jobs, not measured: those of the default study; others take little more."""

SNAKEMAKE_SECONDS = 0.3
"""Overhead of Snakemake per job, in seconds, not measured."""

EPISODE_BYTES = 150
"""Size of a row in an evaluation's CSV file."""


@dataclass(frozen=True)
class TaskRates:
    """Times of the parts of a task's work, in seconds, in one of several parallel processes.

    Attributes:
        importing: importing the simulator's packages, once per process.
        making: making one simulator.
        reset, step: one reset and one step of a simulator.
        updates: a gradient step of one seed, by the name of the run.
        operations: floating-point operations of the same, not seconds.
        collecting: an environment step of training, acting included, by the name of the run.
        acting: a policy call for all simulators of an evaluation, by sampler.
        checkpoint_bytes: size of a run's checkpoint.
        row_bytes: size of a row in the data set's file; None if unknown.
    """

    importing: float
    making: float
    reset: float
    step: float
    updates: dict[str, float]
    operations: dict[str, float]
    collecting: dict[str, float]
    acting: dict[str, float]
    checkpoint_bytes: int
    row_bytes: int | None


@dataclass(frozen=True)
class Rates:
    """All measured rates.

    Attributes:
        processes: number of processes that ran in parallel.
        device: device that they computed on.
        starting: seconds that a process takes to start and to end.
        share: CPU time over wall time of a process; less than 1 if other processes are running.
        tasks: rates by the task's name.
    """

    processes: int
    device: str
    starting: float
    share: float
    tasks: dict[str, TaskRates]


def job_seconds(job: Job, rates: Rates, cores: int) -> float:
    """Return the seconds of a job that has a core to itself, or `cores` if processes share it."""
    if job.rule in ANALYSIS_SECONDS:
        return ANALYSIS_SECONDS[job.rule] + SNAKEMAKE_SECONDS
    work, task = job.work, rates.tasks[job.task]
    starting = SNAKEMAKE_SECONDS + rates.starting + task.importing + work.simulators * task.making
    if job.run is None:
        generating = work.environment_steps * task.step + work.resets * task.reset
        return starting + generating / min(job.cores, cores)
    training = _training_seconds(job.run, work, task, cores)
    evaluating = _evaluating_seconds(job, task, cores)
    settings = job.run.study.evaluation
    if training and settings.beside and cores > job.run.study.threads:
        last = evaluating * job.seeds * settings.episodes / max(work.episodes, 1)
        training = max(training, evaluating - last)
        evaluating = last  # follows the training, whatever is done beside it
    return starting + work.resets * task.reset + training + evaluating


def _training_seconds(run: Run, work: Work, task: TaskRates, cores: int) -> float:
    """Return the seconds of updates and of acting between them."""
    updating = work.updates * task.updates.get(run.name, 0.0)
    collecting = work.environment_steps * task.collecting.get(run.name, 0.0)
    return updating + collecting - _seconds_at_once(run, work, task, cores)


def _evaluating_seconds(job: Job, task: TaskRates, cores: int) -> float:
    """Return the seconds of a job's evaluations."""
    processes = min(job.run.study.evaluation.workers, cores) if job.run else 1
    stepping = job.work.evaluation_steps * task.step / processes
    return stepping + job.work.evaluation_calls * task.acting.get(job.sampler, 0.0)


def _seconds_at_once(run: Run, work: Work, task: TaskRates, cores: int) -> float:
    """Return the seconds of an online run in which a simulator steps beside the updates.

    A chunk's first step and last update have nothing beside them.
    """
    if run.study.online.simulators == "here" or cores == 1:
        return 0.0
    stepping = work.environment_steps * task.step
    updating = work.updates * task.updates.get(run.name, 0.0)
    return (1 - 1 / run.task.settings.chunk_length) * min(stepping, updating)


def dataset_bytes(study: Study, job: Job, rates: Rates) -> int | None:
    """Return the size of the data set that a job makes or downloads; None if unknown."""
    rows: int | None = job.work.environment_steps
    dataset = study.task(job.task).dataset
    source = find_dataset(study, dataset).source
    if source in ("file", "none"):
        return 0  # only a link is made, or nothing at all
    if source == "official":
        rows = find_source(dataset).rows
    row_bytes = rates.tasks[job.task].row_bytes
    return None if rows is None or row_bytes is None else rows * row_bytes


def policy_bytes(jobs: Iterable[Job]) -> int | None:
    """Return about the size of the published policies that jobs fetch; None if unknown."""
    sizes = [
        find_release(str(job.run.study.imported[job.run.kind].source)).bytes
        for job in jobs
        if job.rule == "policy" and job.run is not None
    ]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def run_bytes(job: Job, rates: Rates) -> int:
    """Return the bytes that a training or evaluation job writes: episodes, and any checkpoints."""
    checkpoints = job.seeds if job.rule not in ("policy", "evaluate") else 0
    return job.work.episodes * EPISODE_BYTES + checkpoints * rates.tasks[job.task].checkpoint_bytes
