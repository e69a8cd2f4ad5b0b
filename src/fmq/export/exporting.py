"""From a finished run to a policy folder."""

import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from fmq.analysis.evaluations import read_evaluation
from fmq.datasets import FileData
from fmq.errors import UserError
from fmq.evaluation import Networks, check_record, checkpoint_file, learned_from, load_networks
from fmq.export.card import CARD, FORMAT, VERSION, WEIGHTS, Card, Score, digest
from fmq.export.loading import named_weights
from fmq.export.one_step import write_one_step
from fmq.files import whole_folder, write_json
from fmq.own_methods import METHOD, Code
from fmq.provenance import code_commit, package_versions
from fmq.runs import Run, dataset_settings, evaluation_file, settings_hash
from fmq.settings import Study

PACKAGES = ("fmq", "torch", "numpy", "safetensors")


def export_run(run: Run, results: Path, folder: Path, one_step: bool = False) -> Card:
    """Write a run's last policy into `folder`, whole or not at all; returns its card.

    Args:
        one_step: also write the one-step map as a program (`fmq.export.one_step`).

    Raises:
        UserError: the run is not finished or of other settings, `folder` has something in it, or
            the policy has no one-step map.
    """
    networks = load_networks(run, results, torch.device("cpu"))
    values = {
        "task": run.task.name,
        "task_settings": run.task.settings.model_dump(),
        "run": run.name,
        "method": run.kind if run.stage == "finetune" else None,
        "seed": run.seed,
        "settings": settings_hash(run.settings()),
        "sampler": run.sampler,
        "samplers": [name for name in run.samplers if name not in run.study.own_methods],
        "critic_target": run.critic_target,
        "networks": run.study.networks.model_dump(),
        "sampling": run.study.sampling.model_dump(),
        "scores": _scores(run, results),
        "dataset": _data(run, results) if run.trained else own_data(run.study, run.task.dataset),
        "made_by": {"run": _origin(run, results), "export": code_and_packages()},
    }
    if one_step and "one_step" not in run.samplers:
        raise UserError(f"{run}: has no flow map, so no one-step map; leave --one-step out")
    return write_policy(folder, networks, values, one_step, run.code)


def write_policy(
    folder: Path,
    networks: Networks,
    values: dict[str, Any],
    one_step: bool = False,
    code: Code | None = None,
) -> Card:
    """Write networks and their card into `folder`, whole or not at all; returns the card.

    Args:
        values: of the card, all but the sizes and the digest of the weights.
        code: of a method in a file of its own, a copy of which goes along.
    """
    weights = safetensors.torch.save(named_weights(networks))
    length = values["task_settings"]["chunk_length"]
    card = Card.model_validate(
        {
            "format": FORMAT,
            "version": VERSION,
            **values,
            "observation_size": len(networks.normalizer.mean),
            "action_size": networks.action_size // length,
            "weights": digest(weights),
        }
    )
    with whole_folder(folder) as temporary:
        (temporary / WEIGHTS).write_bytes(weights)
        if one_step:
            write_one_step(temporary, networks, card.chunk_shape)
        if code is not None:
            (temporary / METHOD).write_text(code.text)
        write_json(temporary / CARD, card.model_dump())
    return card


def code_and_packages() -> dict[str, Any]:
    """The code that writes a folder: its commit and its packages."""
    return {"commit": code_commit(), "packages": package_versions(PACKAGES)}


def own_data(study: Study, dataset: str) -> dict[str, Any] | None:
    """Of an imported policy: a file of the study's own tells what an observation is, else nothing.

    What was learned from is not known.
    """
    own = isinstance(study.datasets.get(dataset), FileData)
    return dataset_settings(study, dataset) if own else None


def _data(run: Run, results: Path) -> dict[str, Any]:
    """What a run learned from."""
    files = learned_from(run, results)
    return {**dataset_settings(run.study, run.task.dataset), "files": files}


def _origin(run: Run, results: Path) -> dict[str, Any]:
    """The code that made the run; `learned_from` has found the file readable."""
    learned_from(run, results)
    provenance = json.loads(checkpoint_file(run, results).with_name("provenance.json").read_text())
    origin = {key: provenance.get(key) for key in ("commit", "packages")}
    return origin | {key: provenance[key] for key in ("method", "imported") if key in provenance}


def _scores(run: Run, results: Path) -> dict[str, dict[str, Any]]:
    """Of every evaluation of the run's end that is there, under the samplers' own names."""
    scores = {}
    for sampler in run.study.sampler_labels:
        path = evaluation_file(run, sampler, results)
        if not path.exists():
            continue
        check_record(path, run, sampler)
        episodes = read_evaluation(path)
        scores[sampler] = Score(
            episodes=len(episodes),
            success=float(episodes["success"].mean()),
            mean_return=float(episodes["return"].mean()),
            mean_length=float(episodes["length"].mean()),
        ).model_dump()
    return scores
