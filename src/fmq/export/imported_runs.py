"""`fmq import-run`: make a run folder for a policy trained elsewhere, to evaluate it."""

import platform
import socket
from pathlib import Path
from typing import Any

from fmq.acting.checkpoint import save_checkpoint
from fmq.acting.evaluation import evaluation_starts, write_evaluation
from fmq.base.errors import UserError
from fmq.base.files import write_json
from fmq.base.provenance import code_commit, package_versions
from fmq.data.manifest import read_manifest
from fmq.envs.making import make_environment
from fmq.export.importing import Imported, read_jax
from fmq.export.loading import parts_of
from fmq.export.simulator import refuse_other_task
from fmq.pipeline.bindings import Imported as ImportedFiles
from fmq.pipeline.paths import data_folder, run_folder
from fmq.pipeline.policies import policy_path
from fmq.pipeline.runs import CHECKPOINT, EVALUATIONS, Run

PACKAGES = ("fmq", "torch", "numpy")


def import_run(run: Run, results: Path) -> None:
    """Write the folder of a run from its method's file for the task and seed.

    The folder holds what a final evaluation needs, and no evaluations during training; files of
    an earlier import are replaced.

    Raises:
        UserError: the method is trained here, the file is rejected, or its networks do not have
            the study's shape or do not fit the task's simulator.
    """
    if run.trained:
        raise UserError(
            f"{run}: is trained here, with `fmq finetune`; only methods in `imported` are imported"
        )
    row = run.study.imported[run.kind]
    path = policy_path(row, run.task.name, run.seed, results)
    imported = read_jax(path, run.study, run.task.settings.chunk_length)
    _refuse_changed(path, run, imported.file["sha256"])
    _refuse_shape(path, run, imported)
    networks = imported.networks
    sizes = (
        len(networks.normalizer.mean),
        networks.action_size // run.task.settings.chunk_length,
    )
    environment = make_environment(run.task, data_folder(run, results))
    start = evaluation_starts(run, run.last_step)[0]
    refuse_other_task(path, sizes, run.task.name, environment, start)
    folder = run_folder(run, results)
    write_json(folder / "settings.json", {"hash": run.digest, "settings": run.settings()})
    write_json(folder / "provenance.json", _provenance(imported))
    write_evaluation(folder / EVALUATIONS, [])
    state = parts_of(networks) | {"action_size": networks.action_size}
    save_checkpoint(folder / CHECKPOINT, run.digest, state)


def _refuse_changed(path: Path, run: Run, sha256: str) -> None:
    """Raise `UserError` unless the file is the one that the run is bound to, or was accepted."""
    if run.study.imported[run.kind].source is not None:
        if read_manifest(path.parent)["files"].get(path.name, {}).get("sha256") != sha256:
            raise UserError(
                f"{path}: changed since it was accepted; delete {path.parent} and run `snakemake` "
                "again"
            )
        return
    stage = run.bound.stage
    if not isinstance(stage, ImportedFiles) or sha256 not in stage.files:
        raise UserError(f"{path}: changed while it was read; run the command again")


def _refuse_shape(path: Path, run: Run, imported: Imported) -> None:
    found, wanted = (
        f"{one.hidden_layers} x {one.hidden_width}"
        for one in (imported.settings, run.study.networks)
    )
    if found != wanted:
        raise UserError(
            f"{path}: has hidden layers of {found}, but the study's networks have {wanted}; set "
            f"networks.hidden_layers and hidden_width, or leave {run.kind} out of methods"
        )


def _provenance(imported: Imported) -> dict[str, Any]:
    """Return the provenance; `dataset` holds the imported file, for `evaluation.learned_from`."""
    return {
        "commit": code_commit(),
        "packages": package_versions(PACKAGES),
        "python": platform.python_version(),
        "host": socket.gethostname(),
        "dataset": {imported.file["name"]: imported.file["sha256"]},
        "imported": imported.file,
    }
