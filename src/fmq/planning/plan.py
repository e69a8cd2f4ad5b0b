"""A study's plan: its jobs, what they take on this machine, and when the last one ends."""

import sys
from dataclasses import dataclass

from fmq.planning.jobs import Job, study_jobs
from fmq.planning.rates import Rates, job_seconds
from fmq.planning.schedule import Timed, longest_chain, makespan
from fmq.settings import Study
from fmq.workflow import job_threads


@dataclass(frozen=True)
class Plan:
    """All that a report tells.

    Attributes:
        study: that is planned.
        cores: of this machine that it may use.
        jobs: every one, those that it needs before it.
        rates: as measured.
        seconds: of each job, in the order of the jobs.
        wall: seconds from start to end on this machine.
        chain: seconds of the longest chain of jobs that need each other.
    """

    study: Study
    cores: int
    jobs: list[Job]
    rates: Rates
    seconds: list[float]
    wall: float
    chain: float


def make_plan(study: Study, cores: int | None) -> Plan:
    """Measure for a minute or two, less for small networks, and plan.

    Args:
        cores: given to Snakemake; all there are if None, and no more than there are.

    Raises:
        UserError: a GPU is asked for and there is none, or a process was killed.
    """
    from snakemake.utils import available_cpu_count

    from fmq.planning.measure import measure

    here = available_cpu_count()
    if cores and cores > here:
        print(f"fmq: planned for the {here} cores that there are", file=sys.stderr)
    cores = min(cores or here, here)
    jobs = study_jobs(study)
    print(f"fmq: measuring {len(study.tasks)} tasks, a minute or two", file=sys.stderr, flush=True)
    processes = min(processes_at_once(study, cores), sum(job.run is not None for job in jobs))
    return lay_out(study, jobs, measure(study, jobs, processes), cores)


def lay_out(study: Study, jobs: list[Job], rates: Rates, cores: int) -> Plan:
    """The plan at given rates."""
    seconds = [job_seconds(job, rates, cores) for job in jobs]
    timed = [
        Timed(job.name, job.needs, job.priority, job.cores, time)
        for job, time in zip(jobs, seconds, strict=True)
    ]
    # Where GPUs are fewer than cores, jobs wait for a place on one.
    busy = min(cores, rates.processes * job_threads(study))
    return Plan(study, cores, jobs, rates, seconds, makespan(timed, busy), longest_chain(timed))


def processes_at_once(study: Study, cores: int) -> int:
    """Training processes that run at a time: as many as there are cores and places on GPUs for."""
    import torch

    processes = max(cores // job_threads(study), 1)
    if study.device in ("auto", "cuda") and torch.cuda.is_available():
        return min(processes, torch.cuda.device_count() * study.jobs_per_device)
    return processes
