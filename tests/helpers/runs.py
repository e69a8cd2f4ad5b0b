"""Studies of one maze in a few seconds, and their runs."""

from pathlib import Path

import pytest

from fmq.config.reading import load_study
from fmq.config.study import Study
from fmq.data.provide import provide_dataset
from fmq.pipeline.runs import make_run
from fmq.training.offline import train_offline
from fmq.training.online import finetune

ROOT = Path(__file__).parents[2]
TASK = "pointmaze-medium-navigate-singletask-task4-v0"


def smoke_study(factory: pytest.TempPathFactory, changes: str) -> Study:
    """The smoke study on `TASK` with some changes, in YAML."""
    overlay = factory.mktemp("settings") / "overlay.yaml"
    overlay.write_text(f"tasks: [{TASK}]\n{changes}")
    return load_study(ROOT / "config.yaml", ROOT / "config" / "smoke.yaml", overlay)


def train(study: Study, results: Path, *names: str) -> None:
    """Make the data set and, in this order, runs of the first seed."""
    (dataset,) = study.dataset_names()
    provide_dataset(study, dataset, results, 1)
    for name in names:
        start = finetune if name.startswith("finetune-") else train_offline
        start([make_run(study, TASK, 0, name)], results)
