"""Estimate the remaining time of a study from the durations of its jobs so far.

`snakemake`'s progress line and `fmq status` both tell this estimate.
"""

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import NamedTuple

from fmq.tools.plan.rates import ANALYSIS_SECONDS

TRAINING = {"pretrain": 8.0, "distill": 8.0, "finetune": 20.0}
"""Seconds of CPU time per training job in the default study. Only their ratios are used, because
another study may train a hundred times as long."""

PRIOR = {**TRAINING, "dataset": 12.0, "evaluate": 5.0, **ANALYSIS_SECONDS}
"""Assumed seconds per job of a rule until one has finished, also from the default study."""

OTHER_SECONDS = 5.0
"""Assumed seconds per job of all other rules."""


class Running(NamedTuple):
    """A running job.

    Attributes:
        rule: its rule.
        seconds: seconds since it was started, or submitted to a cluster.
        left: seconds to its last step according to its log; None if the log does not say.
    """

    rule: str
    seconds: float
    left: float | None = None


def seconds_left(
    waiting: Mapping[str, int], running: Sequence[Running], seen: Mapping[str, Sequence[float]]
) -> float | None:
    """Return the seconds until all jobs are done; None if the training time is not known yet.

    The estimate is the work left divided by the number of running jobs, and at least the time
    left of the longest running job.

    Args:
        waiting: number of jobs that have not started, by rule.
        running: the running jobs.
        seen: durations of finished jobs in seconds, by rule.
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
