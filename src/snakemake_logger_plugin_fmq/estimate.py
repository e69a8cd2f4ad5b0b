"""How long a study still takes, from what its jobs have taken so far."""

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import NamedTuple

from fmq.planning.rates import ANALYSIS_SECONDS

TRAINING = {"pretrain": 8.0, "distill": 8.0, "finetune": 20.0}
"""Seconds of CPU time of a job in the default study. Only their ratios count: another study may
train a hundred times as long."""

PRIOR = {**TRAINING, "dataset": 12.0, "evaluate": 5.0, **ANALYSIS_SECONDS}
"""Seconds of a rule's job until one is seen: of the default study, too."""

OTHER_SECONDS = 5.0
"""The same of the rules that are not named there."""


class Running(NamedTuple):
    """A job under way.

    Attributes:
        rule: its rule.
        seconds: since it was started, or handed to a cluster.
        left: seconds to its last step, by the job's own log; None where that says nothing.
    """

    rule: str
    seconds: float
    left: float | None = None


def seconds_left(
    waiting: Mapping[str, int], running: Sequence[Running], seen: Mapping[str, Sequence[float]]
) -> float | None:
    """Return the seconds until all jobs are done; None where nothing says how long training takes.

    The work of all jobs is divided by the number that runs now, and is no less than the longest of
    these still takes.

    Args:
        waiting: number of jobs that have not begun, by rule.
        running: jobs under way.
        seen: seconds that finished jobs took, by rule.
    """
    known = {rule: list(taken) for rule, taken in seen.items() if taken}
    for job in running:
        if job.left is not None:
            known.setdefault(job.rule, []).append(job.seconds + job.left)
    trained = [(taken, TRAINING[rule]) for rule in TRAINING for taken in known.get(rule, ())]
    unfinished = {rule for rule, count in waiting.items() if count} | {job.rule for job in running}
    if not trained and unfinished & TRAINING.keys():
        return None
    scale = sum(taken for taken, _ in trained) / (sum(prior for _, prior in trained) or 1)

    def expected(rule: str) -> float:
        if rule in known:
            taken = mean(known[rule])
        else:
            taken = PRIOR.get(rule, OTHER_SECONDS) * (scale if rule in TRAINING else 1)
        silent = (job.seconds for job in running if job.rule == rule and job.left is None)
        return max([taken, *silent])

    lefts = [expected(job.rule) - job.seconds if job.left is None else job.left for job in running]
    work = sum(lefts) + sum(count * expected(rule) for rule, count in waiting.items())
    return max([work / max(len(running), 1), *lefts])
