"""`fmq import-run`: the run folder of a policy that was trained elsewhere, for evaluation."""

import platform
import socket
from pathlib import Path
from typing import Any

from fmq import paths
from fmq.envs.environment import make_environment
from fmq.errors import UserError
from fmq.evaluation import Networks, evaluation_starts, write_evaluation
from fmq.export.importing import Imported, read_jax
from fmq.files import write_json
from fmq.provenance import code_commit, package_versions
from fmq.runs import Run, settings_hash
from fmq.training.checkpoint import save_checkpoint

PACKAGES = ("fmq", "torch", "numpy")


def import_run(run: Run, results: Path) -> None:
    """Write the folder of a run from the file that its method has for its task and seed.

    It has what an evaluation of its end needs, and no evaluations on its way; what an earlier file
    left goes first.

    Raises:
        UserError: the method is trained here, or the file is refused, or its networks are not of
            the study's shape or not for the task's simulator.
    """
    if run.trained:
        raise UserError(f"{run}: is trained here: `fmq finetune`; imported are of `imported` alone")
    path = run.study.imported[run.kind].file(run.task.name, run.seed)
    imported = read_jax(path, run.study, run.task.settings.chunk_length)
    _refuse_shape(path, run, imported)
    _refuse_other_task(path, run, imported.networks, results)
    folder = paths.run_folder(results, run.task.name, run.seed, run.name)
    for name in ("checkpoint.pt", "evaluations.csv"):
        (folder / name).unlink(missing_ok=True)
    settings = run.settings()
    digest = settings_hash(settings)
    write_json(folder / "settings.json", {"hash": digest, "settings": settings})
    write_json(folder / "provenance.json", _provenance(imported))
    write_evaluation(folder / "evaluations.csv", [])
    save_checkpoint(folder / "checkpoint.pt", digest, _state(imported.networks))


def _refuse_shape(path: Path, run: Run, imported: Imported) -> None:
    found, wanted = (
        f"{one.hidden_layers} x {one.hidden_width}"
        for one in (imported.settings, run.study.networks)
    )
    if found != wanted:
        raise UserError(
            f"{path}: hidden layers of {found}, and the study's networks have {wanted}; set "
            f"networks.hidden_layers and hidden_width, or leave {run.kind} out of methods"
        )


def _refuse_other_task(path: Path, run: Run, networks: Networks, results: Path) -> None:
    environment = make_environment(run.task, paths.dataset_folder(results, run.task.dataset))
    start = evaluation_starts(run, run.last_step)[0]
    wanted = len(environment.reset(start)), environment.action_size
    length = run.task.settings.chunk_length
    found = len(networks.normalizer.mean), networks.action_size // length
    if found != wanted:
        raise UserError(
            f"{path}: a policy for observations of {found[0]} and actions of {found[1]} numbers; "
            f"{run.task.name} has {wanted[0]} and {wanted[1]}: it is of another task, or its "
            "chunks have another length"
        )


def _provenance(imported: Imported) -> dict[str, Any]:
    """`dataset` has what stands for a data set here, as `fmq.evaluation.learned_from` reads it."""
    return {
        "commit": code_commit(),
        "packages": package_versions(PACKAGES),
        "python": platform.python_version(),
        "host": socket.gethostname(),
        "dataset": {imported.file["name"]: imported.file["sha256"]},
        "imported": imported.file,
    }


def _state(networks: Networks) -> dict[str, Any]:
    """Of a learner, what `fmq.evaluation.load_networks` reads."""
    return {
        "actor": networks.actor.state_dict(),
        "critic": networks.critic.state_dict(),
        "normalizer": networks.normalizer._asdict(),
        "action_size": networks.action_size,
    }
