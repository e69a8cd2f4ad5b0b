"""What measurements are of: the record beside the numbers of `fmq theory` and `fmq diagnose`."""

from collections.abc import Iterable

from fmq.pipeline.runs import Run

RECORD = "settings.json"
"""Written last: numbers without it are unfinished."""


def run_digests(runs: Iterable[Run]) -> dict[str, str]:
    """Return the digest of each measured run, by its name."""
    return {run.name: run.digest for run in runs}
