"""The seeds of a job as options of a command; commands import this, so it loads nothing heavy."""

from collections.abc import Sequence


def options(seeds: Sequence[int]) -> str:
    """Return options such as ``--seed 0 --seed 1``."""
    return " ".join(f"--seed {seed}" for seed in seeds)
