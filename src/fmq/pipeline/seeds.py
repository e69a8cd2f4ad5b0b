"""The seeds of a job: whether it serves all of them, and their options on a command line."""

from collections.abc import Sequence

from fmq.config.study import Study


def stacks(study: Study, rule: str) -> bool:
    """Return whether a job of a rule serves all seeds at once.

    With `offline.shared`, offline runs have a single seed, and evaluations, which are of runs of
    either stage, are jobs of a single seed.
    """
    return study.training.stack_seeds and (rule == "finetune" or not study.offline.shared)


def options(seeds: Sequence[int]) -> str:
    """Return options such as ``--seed 0 --seed 1``."""
    return " ".join(f"--seed {seed}" for seed in seeds)
