"""How long jobs with needs and priorities take on some cores: list scheduling, as Snakemake's."""

import heapq
from collections.abc import Sequence
from typing import NamedTuple


class Timed(NamedTuple):
    """A job to schedule.

    Attributes:
        name: unique.
        needs: names of the jobs that have to end first; they stand before it in any sequence.
        priority: of those that could start, the highest start first.
        cores: that it occupies, or all there are if that is less.
        seconds: that it takes.
    """

    name: str
    needs: tuple[str, ...]
    priority: int
    cores: int
    seconds: float


def makespan(jobs: Sequence[Timed], cores: int) -> float:
    """Seconds until the last job ends, if whatever can start starts, by priority, then in order."""
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
    """Seconds of the longest chain of jobs that need each other: a bound for any number of cores.

    Args:
        jobs: each after those it needs.
    """
    ends: dict[str, float] = {}
    for job in jobs:
        ends[job.name] = job.seconds + max((ends[name] for name in job.needs), default=0.0)
    return max(ends.values(), default=0.0)
