"""Finished runs of a tiny study, and policy folders made of them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
from helpers.sharing import made_once
from torch import Tensor

from fmq.acting.evaluation import evaluate_checkpoints
from fmq.config.reading import load_study
from fmq.config.study import Study, find_dataset
from fmq.data.generate import generate_dataset
from fmq.export.card import CARD, WEIGHTS, digest
from fmq.export.exporting import export_run
from fmq.pipeline.paths import dataset_folder
from fmq.pipeline.runs import Run, make_run
from fmq.training.offline import train_offline
from fmq.training.online import finetune

ROOT = Path(__file__).parents[2]
TASK = "pointmaze-medium-navigate-singletask-task4-v0"
OVERLAY = f"""
tasks: [{TASK}]
methods: [fmq, qc]
task_defaults: {{episode_limit: 23}}
networks: {{time_features: 4}}
"""


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    overlay = tmp_path_factory.mktemp("settings") / "overlay.yaml"
    overlay.write_text(OVERLAY)
    return load_study(ROOT / "config.yaml", ROOT / "config" / "smoke.yaml", overlay)


@pytest.fixture(scope="session")
def results(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with the runs of FMQ and QC; not to be changed."""

    def make(folder: Path) -> None:
        (name,) = study.dataset_names()
        target = dataset_folder(study, name, folder)
        generate_dataset(name, find_dataset(study, name), target, 1)
        for run in ("pretrain-warmup", "distill-esd", "pretrain-full"):
            train_offline([make_run(study, TASK, 0, run)], folder)
        for run in ("finetune-fmq", "finetune-qc"):
            finetune([make_run(study, TASK, 0, run)], folder)
        evaluate_checkpoints([make_run(study, TASK, 0, "finetune-fmq")], "qgbs", folder)

    return made_once(tmp_path_factory, "finished", make)


@pytest.fixture(scope="session")
def fmq_run(study: Study) -> Run:
    return make_run(study, TASK, 0, "finetune-fmq")


@pytest.fixture(scope="session")
def exported(fmq_run: Run, results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The policy of FMQ with its one-step program; not to be changed."""

    def make(folder: Path) -> None:
        export_run(fmq_run, results, folder / "policy", one_step=True)

    return made_once(tmp_path_factory, "exported", make) / "policy"


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    """A policy folder to damage."""
    return Path(shutil.copytree(exported, tmp_path / "copied"))


@pytest.fixture(scope="session")
def change_card() -> Callable[..., None]:
    """Changes of a policy folder's card: keys with their new values."""

    def change(folder: Path, **changes: Any) -> None:
        card = json.loads((folder / CARD).read_text())
        (folder / CARD).write_text(json.dumps(card | changes))

    return change


@pytest.fixture(scope="session")
def change_weights(change_card: Callable[..., None]) -> Callable[..., None]:
    """Changes of a policy folder's tensors, with a card that knows of them."""

    def change(folder: Path, deed: Callable[[dict[str, Tensor]], object]) -> None:
        tensors = safetensors.torch.load((folder / WEIGHTS).read_bytes())
        deed(tensors)
        content = safetensors.torch.save(tensors)
        (folder / WEIGHTS).write_bytes(content)
        change_card(folder, weights=digest(content))

    return change
