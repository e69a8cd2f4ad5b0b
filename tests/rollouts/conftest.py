"""A finished run of a tiny study, its last evaluation, and the episodes recorded of it."""

import shutil
from pathlib import Path

import pytest
from helpers.sharing import made_once

from fmq.config.reading import load_study
from fmq.config.study import Study, find_dataset
from fmq.data.generate import generate_dataset
from fmq.pipeline.paths import dataset_folder
from fmq.pipeline.runs import Run, make_run
from fmq.rollouts.recording import record_rollouts
from fmq.training.offline import train_offline
from fmq.training.online import finetune

ROOT = Path(__file__).parents[2]
TASK = "pointmaze-medium-navigate-singletask-task4-v0"
# Three simulators for five episodes: two start while others run, and the last ends alone.
OVERLAY = f"""
tasks: [{TASK}]
methods: [fmq]
samplers: []
task_defaults: {{episode_limit: 23}}
evaluation: {{episodes: 5, environments: 3}}
rollouts: {{episodes: [4, 0]}}
"""


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    overlay = tmp_path_factory.mktemp("settings") / "overlay.yaml"
    overlay.write_text(OVERLAY)
    return load_study(ROOT / "config.yaml", ROOT / "config" / "smoke.yaml", overlay)


@pytest.fixture(scope="session")
def run(study: Study) -> Run:
    return make_run(study, TASK, 0, "finetune-fmq")


@pytest.fixture(scope="session")
def recorded(study: Study, run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder; not to be changed."""

    def make(folder: Path) -> None:
        (name,) = study.dataset_names()
        generate_dataset(name, find_dataset(study, name), dataset_folder(study, name, folder), 1)
        for offline in ("pretrain-warmup", "distill-esd"):
            train_offline([make_run(study, TASK, 0, offline)], folder)
        finetune([run], folder)
        record_rollouts(study, TASK, 0, "fmq", folder)

    return made_once(tmp_path_factory, "recorded", make)


@pytest.fixture
def results(recorded: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(recorded, tmp_path / "results"))
