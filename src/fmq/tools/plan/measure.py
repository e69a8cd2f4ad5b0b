"""Measure a study's work briefly, in as many parallel processes as would run it.

Processes that share a core, its caches or a GPU slow each other down, so measuring a single one
would be too optimistic.
"""

import resource
import time
import warnings
from dataclasses import dataclass, fields, replace
from statistics import mean
from typing import Any

from fmq.base.workers import parallel_map
from fmq.config.study import Study
from fmq.tools.plan.jobs import Job
from fmq.tools.plan.rates import Rates, TaskRates

SECONDS = 12.0
"""Seconds for all timings of a process; imports, making simulators and slow updates are extra."""


@dataclass(frozen=True)
class _Order:
    """The work order of a measuring process: the jobs to measure, and about how many seconds."""

    study: Study
    jobs: list[Job]
    seconds: float


@dataclass(frozen=True)
class _Measured:
    """The rates that a process measured, with the CPU and wall seconds that this took."""

    tasks: dict[str, TaskRates]
    device: str
    cpu: float
    wall: float


def measure(study: Study, jobs: list[Job], processes: int) -> Rates:
    """Measure the rates of all work in the jobs, averaged over processes that run in parallel.

    Raises:
        UserError: the settings ask for a GPU and there is none, or a process was killed.
    """
    before = _children_seconds()
    with parallel_map(processes) as run:
        measured = list(run(_measure_here, [_Order(study, jobs, SECONDS)] * processes))
    # The remaining CPU time went into starting and ending, as it does in a study's processes.
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
    """Measure in one process."""
    warnings.simplefilter("ignore")  # simulators warn if there is no display
    from fmq.acting.device import claim_device
    from fmq.tools.plan.rehearsal import measure_task

    claim = claim_device(order.study)  # held until the function returns
    wall, cpu = time.perf_counter(), time.process_time()
    groups: dict[tuple[str, int], list[str]] = {}
    for name in order.study.tasks:  # such tasks share a simulator and the shapes of networks
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
    """Average every field that is a number of seconds or a table of them."""
    changes: dict[str, Any] = {}
    for field in fields(TaskRates):
        values = [getattr(rates, field.name) for rates in measured]
        if isinstance(values[0], dict):
            changes[field.name] = {key: mean(v[key] for v in values) for key in values[0]}
        elif isinstance(values[0], float):
            changes[field.name] = mean(values)
    return replace(measured[0], **changes)
