"""Runs from open to close: taken up where they were left, and what they leave behind."""

import platform
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import torch

from fmq import fused
from fmq.evaluation import write_evaluation, write_last_evaluation
from fmq.files import atomic_path, write_json, write_rows
from fmq.own_methods import METHOD
from fmq.runs import LAST_EVALUATION, Run, settings_hash
from fmq.training import compiling
from fmq.training.checkpoint import refuse_misfit, save_checkpoint
from fmq.training.device import claim_device
from fmq.training.scratch import Scratch, open_scratch
from fmq.training.shared import share
from fmq.training.trackers import Tracker, make_tracker
from fmq.training.vectors import copied
from fmq.training.workbench import Workbench

State = dict[str, Any]


@contextmanager
def resumed(
    runs: Sequence[Run], results: Path
) -> Iterator[tuple[list[Workbench], list[State] | None]]:
    """The workbenches of runs as they were left, and the progress of each; None at a beginning.

    When the block ends without an error, the outputs are written and the progress is deleted.

    Args:
        runs: the same run of one seed, or of several in ascending order.

    Raises:
        UserError: another process works on one of the runs, or its data or parent do not fit.
        Preempted: SIGTERM came.
    """
    with open_scratch(runs, results) as scratch:
        trackers = [make_tracker(run, results) for run in runs]  # before anything is waited for
        claim = claim_device(runs[0].study)  # held until the end
        benches = _set_up(runs, trackers, results, scratch, claim.device)
        kept = _kept(scratch, benches)
        with closing(benches[0].evaluator):
            yield benches, kept
        for bench in benches:
            write_outputs(bench, [run.seed for run in runs])


def _set_up(
    runs: Sequence[Run],
    trackers: Sequence[Tracker | None],
    results: Path,
    scratch: Scratch,
    device: torch.device,
) -> list[Workbench]:
    """The workbenches; the transitions that were loaded for all go, since each has a copy."""
    shared = share(runs[0], results, scratch, device, len(runs))
    return [Workbench(run, shared, tracker) for run, tracker in zip(runs, trackers, strict=True)]


def _kept(scratch: Scratch, benches: Sequence[Workbench]) -> list[State] | None:
    """Bring the benches to the progress that was kept, and return it."""
    kept = scratch.load(benches[0].device)
    if kept is None:
        return None
    with refuse_misfit(scratch.progress, scratch.remedy):
        states: list[State] = kept["runs"]
        for bench, state in zip(benches, states, strict=True):
            bench.restore(state)
    return states


def write_outputs(bench: Workbench, seeds: Sequence[int]) -> None:
    """Write everything a run leaves behind: the checkpoint, and then the episodes of its end.

    What an earlier run of other settings left goes first: never a mixture of both.

    Args:
        seeds: that were trained in this process.
    """
    bench.learner.live_in(copied(bench.learner.vectors))
    learned = bench.learner.state()
    for name in ("checkpoint.pt", "evaluations.csv", LAST_EVALUATION):
        (bench.folder / name).unlink(missing_ok=True)
    settings = bench.run.settings()
    digest = settings_hash(settings)
    write_json(bench.folder / "settings.json", {"hash": digest, "settings": settings})
    write_json(bench.folder / "provenance.json", _provenance(bench, seeds))
    if bench.run.code is not None:
        with atomic_path(bench.folder / METHOD) as temporary:
            temporary.write_text(bench.run.code.text)
    columns = list(dict.fromkeys(name for row in bench.metrics for name in row))
    with atomic_path(bench.folder / "metrics.csv") as temporary:
        write_rows(temporary, columns, bench.metrics)
    write_evaluation(bench.folder / "evaluations.csv", bench.evaluations)
    save_checkpoint(bench.folder / "checkpoint.pt", digest, learned)
    write_last_evaluation(bench.run, bench.run.sampler, bench.results, bench.last_evaluation)


def _provenance(bench: Workbench, seeds: Sequence[int]) -> dict[str, Any]:
    code = bench.run.code
    return {
        **bench.code[-1],
        **({"method": {"file": code.path.name, "sha256": code.sha256}} if code else {}),
        "begun_with": bench.code[:-1],
        "python": platform.python_version(),
        "host": socket.gethostname(),
        "device": str(bench.device),
        "processor": compiling.processor(),
        "computed": {
            "update": "compiled" if bench.compiles else "eager",
            "activation": "in products" if fused.ACTIVATION_IN_PRODUCT else "behind products",
        },
        "dataset": bench.digests,
        **({"together": list(seeds)} if len(seeds) > 1 else {}),  # whose seconds these are
        **{f"{name}_seconds": round(value, 1) for name, value in bench.seconds_so_far().items()},
    }
