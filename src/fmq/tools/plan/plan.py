"""Plan a study: its jobs, the time they take on this machine, and when the last one ends."""

from dataclasses import dataclass

from fmq.base.machine import usable_cores
from fmq.base.messages import notice
from fmq.config.study import Study
from fmq.pipeline.resources import online_threads, training_threads
from fmq.tools.plan.jobs import Job, study_jobs
from fmq.tools.plan.measure import measure
from fmq.tools.plan.rates import Rates, job_seconds
from fmq.tools.plan.schedule import Timed, longest_chain, makespan


@dataclass(frozen=True)
class Plan:
    """The content of a report.

    Attributes:
        study: study that is planned.
        cores: number of cores of this machine that it may use.
        jobs: all jobs, each after those that it needs.
        rates: measured rates.
        seconds: seconds of each job, in the order of the jobs.
        wall: seconds from start to end on this machine.
        chain: seconds of the longest chain of dependent jobs.
    """

    study: Study
    cores: int
    jobs: list[Job]
    rates: Rates
    seconds: list[float]
    wall: float
    chain: float


def make_plan(study: Study, cores: int | None) -> Plan:
    """Measure for a minute or two, less for small networks, and plan the study.

    Args:
        cores: number of cores given to Snakemake, at most those available; None for all of them.

    Raises:
        UserError: the settings ask for a GPU and there is none, or a process was killed.
    """
    here = usable_cores()
    if cores and cores > here:
        notice(f"only {here} cores are available; planning for these")
    cores = min(cores or here, here)
    jobs = study_jobs(study)
    notice(f"measuring {len(study.tasks)} tasks; this takes a minute or two")
    processes = min(processes_at_once(study, cores), sum(job.run is not None for job in jobs))
    return lay_out(study, jobs, measure(study, jobs, processes), cores)


def lay_out(study: Study, jobs: list[Job], rates: Rates, cores: int) -> Plan:
    """Lay out the plan at given rates."""
    seconds = [job_seconds(job, rates, cores) for job in jobs]
    timed = [
        Timed(job.name, job.needs, job.priority, job.cores, time)
        for job, time in zip(jobs, seconds, strict=True)
    ]
    # With fewer places on GPUs than cores, jobs wait for a place and leave cores idle.
    busy = min(cores, rates.processes * online_threads(study))
    return Plan(study, cores, jobs, rates, seconds, makespan(timed, busy), longest_chain(timed))


def processes_at_once(study: Study, cores: int) -> int:
    """Return how many training processes run in parallel, limited by cores and places on GPUs."""
    import torch

    processes = max(cores // training_threads(study), 1)
    if study.wants_gpu and ":" not in study.device and torch.cuda.is_available():
        return min(processes, torch.cuda.device_count() * study.jobs_per_device)
    return processes
