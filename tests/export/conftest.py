"""Finished runs of a tiny study, and policy folders made of them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
from helpers.runs import TASK, smoke_study, train
from helpers.sharing import made_once
from torch import Tensor

from fmq.acting.evaluation import evaluate_checkpoints
from fmq.config.study import Study
from fmq.export.card import CARD, WEIGHTS, digest
from fmq.export.exporting import export_run
from fmq.pipeline.runs import Run, make_run

CHANGES = """
methods: [fmq, qc]
task_defaults: {episode_limit: 23}
networks: {time_features: 4}
"""
OFFLINE = ("pretrain-warmup", "distill-esd", "pretrain-full")


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return smoke_study(tmp_path_factory, CHANGES)


@pytest.fixture(scope="session")
def results(study: Study, fmq_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with the runs of FMQ and QC; not to be changed."""

    def make(folder: Path) -> None:
        train(study, folder, *OFFLINE, "finetune-fmq", "finetune-qc")
        evaluate_checkpoints([fmq_run], "qgbs", folder)

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
