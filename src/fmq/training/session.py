"""A run from open to close: taken up where it was left, and what it leaves behind."""

import platform
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from fmq.evaluation import write_evaluation
from fmq.files import atomic_path, write_json, write_rows
from fmq.own_methods import METHOD
from fmq.runs import Run, settings_hash
from fmq.training.checkpoint import refuse_misfit, save_checkpoint
from fmq.training.scratch import open_scratch
from fmq.training.workbench import Workbench


@contextmanager
def resumed(run: Run, results: Path) -> Iterator[tuple[Workbench, dict[str, Any] | None]]:
    """A run's workbench as it was left, and the progress it comes from; None at a beginning.

    When the block ends without an error, the outputs are written and the progress is deleted.

    Raises:
        UserError: another process works on the run, or its data or parent do not fit.
        Preempted: SIGTERM came.
    """
    with open_scratch(run, results) as scratch:
        bench = Workbench(run, results, scratch)
        kept = scratch.load(bench.device)
        if kept is not None:
            with refuse_misfit(scratch.progress, scratch.remedy):
                bench.restore(kept)
        with closing(bench.evaluator):
            yield bench, kept
        write_outputs(bench)


def write_outputs(bench: Workbench) -> None:
    """Write everything the run leaves behind, the checkpoint last.

    What an earlier run of other settings left goes first: never a mixture of both.
    """
    learned = bench.learner_state()
    for name in ("checkpoint.pt", "evaluations.csv"):
        (bench.folder / name).unlink(missing_ok=True)
    settings = bench.run.settings()
    digest = settings_hash(settings)
    write_json(bench.folder / "settings.json", {"hash": digest, "settings": settings})
    write_json(bench.folder / "provenance.json", _provenance(bench))
    if bench.run.code is not None:
        with atomic_path(bench.folder / METHOD) as temporary:
            temporary.write_text(bench.run.code.text)
    columns = list(dict.fromkeys(name for row in bench.metrics for name in row))
    with atomic_path(bench.folder / "metrics.csv") as temporary:
        write_rows(temporary, columns, bench.metrics)
    write_evaluation(bench.folder / "evaluations.csv", bench.evaluations)
    save_checkpoint(bench.folder / "checkpoint.pt", digest, learned)


def _provenance(bench: Workbench) -> dict[str, Any]:
    code = bench.run.code
    return {
        **bench.code[-1],
        **({"method": {"file": code.path.name, "sha256": code.sha256}} if code else {}),
        "begun_with": bench.code[:-1],
        "python": platform.python_version(),
        "host": socket.gethostname(),
        "device": str(bench.device),
        "dataset": bench.digests(),
        **{f"{name}_seconds": round(value, 1) for name, value in bench.seconds_so_far().items()},
    }
