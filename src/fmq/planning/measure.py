"""A short measurement of a study's work, in as many processes at once as would run it.

Two processes that share a core, its caches or a GPU slow each other down, so one alone would
promise too much.
"""

import resource
import time
import warnings
from dataclasses import dataclass, fields, replace
from statistics import mean
from typing import Any

from fmq.data.workers import parallel_map
from fmq.planning.jobs import Job
from fmq.planning.rates import Rates, TaskRates
from fmq.settings import Study

SECONDS = 12.0
"""For all timings of a process; importing, making simulators and slow updates come on top."""


@dataclass(frozen=True)
class _Order:
    """What a process measures: the rates of all that `jobs` do, in about so many seconds."""

    study: Study
    jobs: list[Job]
    seconds: float


@dataclass(frozen=True)
class _Measured:
    """What a process found, and the CPU and wall seconds that it took for that."""

    tasks: dict[str, TaskRates]
    device: str
    cpu: float
    wall: float


def measure(study: Study, jobs: list[Job], processes: int) -> Rates:
    """Rates of all that the jobs do, means over processes that measure at the same time.

    Raises:
        UserError: a GPU is asked for and there is none, or a process was killed.
    """
    before = _children_seconds()
    with parallel_map(processes) as run:
        measured = list(run(_measure_here, [_Order(study, jobs, SECONDS)] * processes))
    # What the processes took besides: they start and end as those of a study do.
    besides = _children_seconds() - before - sum(one.cpu for one in measured)
    return Rates(
        processes,
        measured[0].device,
        starting=besides / processes,
        share=mean(one.cpu / one.wall for one in measured),
        tasks={name: mean_rates([one.tasks[name] for one in measured]) for name in study.tasks},
    )


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _measure_here(order: _Order) -> _Measured:
    """What one process measures."""
    warnings.simplefilter("ignore")  # of simulators that miss a screen
    from fmq.planning.rehearsal import measure_task
    from fmq.training.device import claim_device

    claim = claim_device(order.study)  # held until the end
    wall, cpu = time.perf_counter(), time.process_time()
    groups: dict[tuple[str, int], list[str]] = {}
    for name in order.study.tasks:  # sister tasks have one simulator, and networks of one shape
        task = order.study.task(name)
        groups.setdefault((task.dataset, task.settings.chunk_length), []).append(name)
    tasks: dict[str, TaskRates] = {}
    for names in groups.values():
        jobs = [job for job in order.jobs if job.run and job.task == names[0]]
        rates = measure_task(jobs, claim.device, order.seconds / len(groups))
        tasks |= dict.fromkeys(names, rates)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return _Measured(tasks, str(claim.device), cpu, wall)


def mean_rates(measured: list[TaskRates]) -> TaskRates:
    """The mean of every field that is a number of seconds or a table of them."""
    changes: dict[str, Any] = {}
    for field in fields(TaskRates):
        values = [getattr(rates, field.name) for rates in measured]
        if isinstance(values[0], dict):
            changes[field.name] = {key: mean(v[key] for v in values) for key in values[0]}
        elif isinstance(values[0], float):
            changes[field.name] = mean(values)
    return replace(measured[0], **changes)
