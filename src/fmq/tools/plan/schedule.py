"""Simulate how long jobs take on some cores, by list scheduling as in Snakemake.

Jobs have dependencies and priorities.
"""

import heapq
from collections.abc import Sequence
from typing import NamedTuple


class Timed(NamedTuple):
    """A job to schedule.

    Attributes:
        name: unique name.
        needs: names of the jobs that must end first; they precede it in any sequence.
        priority: priority; of the jobs that are ready, those with the highest start first.
        cores: number of cores that it occupies, capped at the number available.
        seconds: duration.
    """

    name: str
    needs: tuple[str, ...]
    priority: int
    cores: int
    seconds: float


def makespan(jobs: Sequence[Timed], cores: int) -> float:
    """Return the seconds until the last job ends.

    Every job that fits starts as soon as it is ready, by priority, then in the order of `jobs`.
    """
    missing = {job.name: set(job.needs) for job in jobs}
    order = {job.name: number for number, job in enumerate(jobs)}
    dependants: dict[str, list[Timed]] = {job.name: [] for job in jobs}
    for job in jobs:
        for name in missing[job.name]:
            dependants[name].append(job)
    ready = [job for job in jobs if not job.needs]
    running: list[tuple[float, int]] = []  # end, number
    free, now = cores, 0.0
    while ready or running:
        for job in sorted(ready, key=lambda job: (-job.priority, order[job.name])):
            if min(job.cores, cores) <= free:
                free -= min(job.cores, cores)
                heapq.heappush(running, (now + job.seconds, order[job.name]))
                ready.remove(job)
        now, number = heapq.heappop(running)
        ended = jobs[number]
        free += min(ended.cores, cores)
        for job in dependants[ended.name]:
            missing[job.name].discard(ended.name)
            if not missing[job.name]:
                ready.append(job)
    return now


def longest_chain(jobs: Sequence[Timed]) -> float:
    """Return the seconds of the longest chain of dependent jobs, a bound for any number of cores.

    Args:
        jobs: jobs in an order where each follows those that it needs.
    """
    ends: dict[str, float] = {}
    for job in jobs:
        ends[job.name] = job.seconds + max((ends[name] for name in job.needs), default=0.0)
    return max(ends.values(), default=0.0)
