"""The smoke study's runs on one task, and what `fmq theory` measures on them."""

from pathlib import Path

import pytest
from helpers.sharing import made_once

from fmq.config.reading import load_study
from fmq.config.study import Study, find_dataset
from fmq.data.generate import generate_dataset
from fmq.pipeline.paths import dataset_folder
from fmq.pipeline.runs import make_run
from fmq.theory.measure import measure_theory
from fmq.training.offline import train_offline
from fmq.training.online import finetune

ROOT = Path(__file__).parents[2]
TASK = "pointmaze-medium-navigate-singletask-task4-v0"
RUNS = ("pretrain-warmup", "distill-esd", "distill-lsd", "distill-psd")


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    overlay = tmp_path_factory.mktemp("settings") / "overlay.yaml"
    overlay.write_text(f"tasks: [{TASK}]\n")
    return load_study(ROOT / "config.yaml", ROOT / "config" / "smoke.yaml", overlay)


@pytest.fixture(scope="session")
def measured(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with the runs and their measurements; not to be changed."""

    def make(results: Path) -> None:
        (name,) = study.dataset_names()
        generate_dataset(name, find_dataset(study, name), dataset_folder(study, name, results), 1)
        for run in RUNS:
            train_offline([make_run(study, TASK, 0, run)], results)
        finetune([make_run(study, TASK, 0, "finetune-fmq")], results)
        measure_theory(study, TASK, 0, results)

    return made_once(tmp_path_factory, "measured", make)
