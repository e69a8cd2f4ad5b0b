"""Write the outputs of a finished run."""

import platform
import socket
from collections.abc import Sequence
from typing import Any

from fmq.acting.checkpoint import save_checkpoint
from fmq.acting.evaluation import write_evaluation, write_last_evaluation
from fmq.base.files import atomic_path, write_json, write_rows
from fmq.config.method_files import METHOD_FILE
from fmq.networks import fused
from fmq.pipeline.runs import CHECKPOINT, EVALUATIONS, LAST_EVALUATION
from fmq.training import compiling
from fmq.training.vectors import copied
from fmq.training.workbench import Workbench


def write_outputs(bench: Workbench, seeds: Sequence[int]) -> None:
    """Write all outputs of a run: the checkpoint, and after it the final evaluation.

    Args:
        seeds: the seeds that were trained in this process.
    """
    bench.learner.live_in(copied(bench.learner.vectors))
    learned = bench.learner.state()
    # What other bytes of the data or another kind of CPU gave must not stay beside this run's
    # provenance, nor must evaluations of that checkpoint.
    for name in (CHECKPOINT, EVALUATIONS, LAST_EVALUATION, "evaluate-*.csv", "rollouts-*.npz"):
        for path in bench.folder.glob(name):
            path.unlink()
    digest = bench.run.digest
    record = {"hash": digest, "settings": bench.run.settings()}
    write_json(bench.folder / "settings.json", record)
    write_json(bench.folder / "provenance.json", _provenance(bench, seeds))
    if bench.run.code is not None:
        with atomic_path(bench.folder / METHOD_FILE) as temporary:
            temporary.write_bytes(bench.run.code.content)
    columns = list(dict.fromkeys(name for row in bench.metrics for name in row))
    with atomic_path(bench.folder / "metrics.csv") as temporary:
        write_rows(temporary, columns, bench.metrics)
    write_evaluation(bench.folder / EVALUATIONS, bench.evaluations)
    save_checkpoint(bench.folder / CHECKPOINT, digest, learned)
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
            "evaluations": "beside, on the CPU" if bench.run.study.evaluation.beside else "between",
        },
        "dataset": bench.digests,
        **({"together": list(seeds)} if len(seeds) > 1 else {}),  # the seconds are those of all
        **{f"{name}_seconds": round(value, 1) for name, value in bench.seconds_so_far().items()},
    }
