"""Write what was measured on runs, and the record of these runs and of their data."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fmq.acting.evaluation import learned_from
from fmq.base.files import write_json
from fmq.pipeline.identity import file_digest
from fmq.pipeline.measured import RECORD, run_digests
from fmq.pipeline.paths import checkpoint_file
from fmq.pipeline.runs import Run


@contextmanager
def recorded(folder: Path, runs: Sequence[Run], results: Path) -> Iterator[None]:
    """Write the record of measurements into `folder` once the block has written their numbers.

    Raises:
        UserError: a run does not say what it learned from.
    """
    record = {
        "runs": run_digests(runs),
        "checkpoint": {run.name: file_digest(checkpoint_file(run, results)) for run in runs},
        "dataset": {run.name: learned_from(run, results) for run in runs},
    }
    # New numbers must never stand beside the record of older ones.
    (folder / RECORD).unlink(missing_ok=True)
    yield
    write_json(folder / RECORD, record)
