"""Export a finished run as a policy folder."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from fmq.acting.evaluation import check_record, learned_from, load_networks, policy_with
from fmq.acting.policy import Networks
from fmq.analysis.inputs.evaluations import read_evaluation
from fmq.base.errors import UserError
from fmq.base.files import refuse_occupied, whole_folder, write_json
from fmq.base.provenance import code_commit, package_versions
from fmq.base.values import build
from fmq.config.datasets import FileData
from fmq.config.method_files import METHOD_FILE, Code
from fmq.config.study import Study
from fmq.envs.making import make_environment
from fmq.envs.rollout import rollout
from fmq.envs.simulators import LocalSimulators
from fmq.export.card import CARD, FORMAT, VERSION, WEIGHTS, Card, Score, digest
from fmq.export.loading import named_weights
from fmq.export.model_card import FILM, README, model_card
from fmq.export.one_step import write_one_step
from fmq.export.playing import film_of, refuse_film
from fmq.pipeline.data import dataset_settings
from fmq.pipeline.paths import checkpoint_file, data_folder, evaluation_file
from fmq.pipeline.runs import Run
from fmq.rollouts.recorder import Recorder

FILMED = 4
"""Episodes in the film of an exported policy."""
PACKAGES = ("fmq", "torch", "numpy", "safetensors")


def export_run(
    run: Run, results: Path, folder: Path, one_step: bool = False, film: bool = False
) -> Card:
    """Write the final policy of a run into `folder`, atomically, and return its card.

    Args:
        run: a finished run.
        results: the results folder with its checkpoint.
        folder: the policy folder; it must be empty or not exist.
        one_step: also write the one-step map as a program (`fmq.export.one_step`).
        film: also run some episodes, and write a film of them.

    Raises:
        UserError: the run is not finished or has other settings, `folder` is not empty, the policy
            has no one-step map, or there can be no film here.
    """
    refuse_occupied(folder.resolve())  # before episodes are run for a film
    if film:
        refuse_film(folder / FILM)
    networks = load_networks(run, results, torch.device("cpu"))
    values = {
        "task": run.task.name,
        "task_settings": run.task.settings.model_dump(),
        "run": run.name,
        "method": run.kind if run.stage == "finetune" else None,
        "seed": run.seed,
        "settings": run.digest,
        "sampler": run.sampler,
        "samplers": [name for name in run.samplers if name not in run.study.own_methods],
        "critic_target": run.critic_target,
        "networks": run.bound.networks.model_dump(),
        "sampling": run.sampling(run.sampler)[1].model_dump(),
        "scores": _scores(run, results),
        "dataset": _data(run, results) if run.trained else own_data(run.study, run.task.dataset),
        "made_by": {"run": _origin(run, results), "export": code_and_packages()},
    }
    if one_step and "one_step" not in run.samplers:
        raise UserError(f"{run}: has no flow map, so no one-step map; leave out --one-step")
    content = _film(run, networks, results) if film else None
    return write_policy(folder, networks, values, one_step, run.code, content)


def write_policy(
    folder: Path,
    networks: Networks,
    values: dict[str, Any],
    one_step: bool = False,
    code: Code | None = None,
    film: bytes | None = None,
) -> Card:
    """Write networks, card and model card into `folder`, atomically, and return the card.

    Args:
        folder: the policy folder.
        networks: the networks to save.
        values: the card's values except the sizes and the digest of the weights.
        one_step: also write the one-step map as a program.
        code: the method's file, if it has one; a copy is put into the folder.
        film: a GIF of some episodes.
    """
    weights = safetensors.torch.save(named_weights(networks))
    length = values["task_settings"]["chunk_length"]
    card = build(
        Card,
        {
            "format": FORMAT,
            "version": VERSION,
            **values,
            "observation_size": len(networks.normalizer.mean),
            "action_size": networks.action_size // length,
            "weights": digest(weights),
        },
    )
    with whole_folder(folder) as temporary:
        (temporary / WEIGHTS).write_bytes(weights)
        if one_step:
            write_one_step(temporary, networks, card.chunk_shape)
        if code is not None:
            (temporary / METHOD_FILE).write_bytes(code.content)
        if film is not None:
            (temporary / FILM).write_bytes(film)
        write_json(temporary / CARD, asdict(card))
        text = model_card(card, {path.name for path in temporary.iterdir()})
        (temporary / README).write_text(text, encoding="utf-8")
    return card


def code_and_packages() -> dict[str, Any]:
    """Return the commit and the package versions of the code that writes a folder."""
    return {"commit": code_commit(), "packages": package_versions(PACKAGES)}


def own_data(study: Study, dataset: str) -> dict[str, Any] | None:
    """Return the data-set settings for the card of an imported policy.

    They are known only if the data set is the study's own file, which defines the observations.
    What the policy learned from is not known.
    """
    own = isinstance(study.datasets.get(dataset), FileData)
    return dataset_settings(study, dataset) if own else None


def _film(run: Run, networks: Networks, results: Path) -> bytes:
    """Return a film of some episodes of a run's last policy, other than those that count."""
    data = data_folder(run, results)
    starts = [run.derive_seed("film", number) for number in range(FILMED)]
    recorder = Recorder(make_environment(run.task, data), starts)
    policy = policy_with(networks, run, run.sampler, run.last_step)
    episodes = rollout(LocalSimulators([recorder]), policy.act, starts)
    return film_of(f"{run}, {run.sampler}", run.task, data, recorder, episodes)


def _data(run: Run, results: Path) -> dict[str, Any]:
    """Return the data-set settings and files that a run learned from."""
    files = learned_from(run, results)
    return {**dataset_settings(run.study, run.task.dataset), "files": files}


def _origin(run: Run, results: Path) -> dict[str, Any]:
    """Return the code that made the run; `learned_from` checks that the file is readable."""
    learned_from(run, results)
    provenance = json.loads(
        checkpoint_file(run, results).with_name("provenance.json").read_text(encoding="utf-8")
    )
    origin = {key: provenance.get(key) for key in ("commit", "packages")}
    return origin | {key: provenance[key] for key in ("method", "imported") if key in provenance}


def _scores(run: Run, results: Path) -> dict[str, dict[str, Any]]:
    """Return the score of every final evaluation that exists, by sampler."""
    scores = {}
    for sampler in run.study.sampler_labels:
        path = evaluation_file(run, sampler, results)
        if not path.exists():
            continue
        check_record(path, run, sampler, results)
        episodes = read_evaluation(path)
        scores[sampler] = Score(
            episodes=len(episodes),
            success=float(episodes["success"].mean()),
            mean_return=float(episodes["return"].mean()),
            mean_length=float(episodes["length"].mean()),
        )
    return {sampler: asdict(score) for sampler, score in scores.items()}
