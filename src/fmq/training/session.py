"""Open and close runs: resume them where they stopped, and write their outputs."""

import platform
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import torch

from fmq.acting.checkpoint import refuse_misfit, save_checkpoint
from fmq.acting.device import claim_device
from fmq.acting.evaluation import write_evaluation, write_last_evaluation
from fmq.base.files import atomic_path, write_json, write_rows
from fmq.config.own_methods import METHOD
from fmq.networks import fused
from fmq.pipeline.runs import LAST_EVALUATION, Run
from fmq.training import compiling
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
    """Yield the workbenches of runs as they were left, and the progress of each; None at a start.

    When the block ends without an error, the outputs are written and the progress is deleted.

    Args:
        runs: the same run for one seed, or for several in ascending order.

    Raises:
        UserError: another process is working on one of the runs, or its data or parent do not fit.
        Preempted: SIGTERM was received.
    """
    with open_scratch(runs, results) as scratch:
        trackers = [make_tracker(run, results) for run in runs]  # fails before waiting for a device
        claim = claim_device(runs[0].study)  # held until the block ends
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
    """Return the workbenches, and free the shared transitions, of which each has a copy."""
    shared = share(runs[0], results, scratch, device, len(runs))
    return [Workbench(run, shared, tracker) for run, tracker in zip(runs, trackers, strict=True)]


def _kept(scratch: Scratch, benches: Sequence[Workbench]) -> list[State] | None:
    """Restore the benches from the saved progress and return it; None if there is none."""
    kept = scratch.load(benches[0].device)
    if kept is None:
        return None
    with refuse_misfit(scratch.progress, scratch.remedy):
        states: list[State] = kept["runs"]
        for bench, state in zip(benches, states, strict=True):
            bench.restore(state)
    return states


def write_outputs(bench: Workbench, seeds: Sequence[int]) -> None:
    """Write all outputs of a run: the checkpoint, and after it the final evaluation.

    Args:
        seeds: the seeds that were trained in this process.
    """
    bench.learner.live_in(copied(bench.learner.vectors))
    learned = bench.learner.state()
    # Outputs from other bytes of the same data must not stay beside this run's provenance.
    for name in ("checkpoint.pt", "evaluations.csv", LAST_EVALUATION):
        (bench.folder / name).unlink(missing_ok=True)
    digest = bench.run.digest
    record = {"hash": digest, "settings": bench.run.settings()}
    write_json(bench.folder / "settings.json", record)
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
        **({"together": list(seeds)} if len(seeds) > 1 else {}),  # the seconds are those of all
        **{f"{name}_seconds": round(value, 1) for name, value in bench.seconds_so_far().items()},
    }
