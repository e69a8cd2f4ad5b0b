"""What was measured, and what a job's work comes to at that."""

from dataclasses import dataclass

from fmq.data.sources import find_source
from fmq.planning.jobs import Job
from fmq.settings import Study, find_dataset

ANALYSIS_SECONDS = {
    **{"scores": 2.0, "statistics": 9.0, "tables": 2.0, "figures": 6.0},
    **{"page": 0.5, "settings_page": 1.0, "all": 0.0},
}
"""Not measured: what they take in the default study, and little more in any other."""

SNAKEMAKE_SECONDS = 0.3
"""Not measured: what Snakemake itself takes for each job, beside the jobs."""

EPISODE_BYTES = 150
"""A row of an evaluation's CSV file."""


@dataclass(frozen=True)
class TaskRates:
    """Seconds that a task's parts take in one of several processes at once.

    Attributes:
        importing: the simulator's packages, once in a process.
        making: one simulator.
        reset, step: of a simulator.
        updates: a gradient update, by the name of the run.
        collecting: an environment step to learn from, acting included, by the name of the run.
        acting: a policy call for all simulators of an evaluation, by sampler.
        checkpoint_bytes: of a run's checkpoint.
        row_bytes: of a state in the data set's file; None if not known.
    """

    importing: float
    making: float
    reset: float
    step: float
    updates: dict[str, float]
    collecting: dict[str, float]
    acting: dict[str, float]
    checkpoint_bytes: int
    row_bytes: int | None


@dataclass(frozen=True)
class Rates:
    """All that was measured.

    Attributes:
        processes: that ran at once.
        device: they computed on.
        starting: seconds of a process before and after its work.
        share: of the time that a process had a core to itself; less where others are at work.
        tasks: rates by the task's name.
    """

    processes: int
    device: str
    starting: float
    share: float
    tasks: dict[str, TaskRates]


def job_seconds(job: Job, rates: Rates, cores: int) -> float:
    """Seconds of a job with a core to itself, or `cores` of them where processes share the work."""
    if job.rule in ANALYSIS_SECONDS:
        return ANALYSIS_SECONDS[job.rule] + SNAKEMAKE_SECONDS
    work, task = job.work, rates.tasks[job.task]
    starting = SNAKEMAKE_SECONDS + rates.starting + task.importing + work.simulators * task.making
    if job.run is None:
        generating = work.environment_steps * task.step + work.resets * task.reset
        return starting + generating / min(job.cores, cores)
    processes = min(job.run.study.evaluation.workers, cores)
    return (
        starting
        + work.resets * task.reset
        + work.updates * task.updates.get(job.run.name, 0.0)
        + work.environment_steps * task.collecting.get(job.run.name, 0.0)
        + work.evaluation_steps * task.step / processes
        + work.evaluation_calls * task.acting.get(job.sampler, 0.0)
    )


def dataset_bytes(study: Study, job: Job, rates: Rates) -> int | None:
    """Bytes of the data set that a job makes or fetches; None if they are not known."""
    rows: int | None = job.work.environment_steps
    dataset = study.task(job.task).dataset
    source = find_dataset(study, dataset).source
    if source == "file":
        return 0  # it is linked to
    if source == "official":
        rows = find_source(dataset).rows
    row_bytes = rates.tasks[job.task].row_bytes
    return None if rows is None or row_bytes is None else rows * row_bytes


def run_bytes(job: Job, rates: Rates) -> int:
    """Bytes that a training or evaluation job leaves: its episodes, and its checkpoints if any."""
    checkpoints = job.seeds if job.rule != "evaluate" else 0
    return job.work.episodes * EPISODE_BYTES + checkpoints * rates.tasks[job.task].checkpoint_bytes
