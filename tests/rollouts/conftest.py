"""A finished run of a tiny study, its last evaluation, and the episodes recorded of it."""

import shutil
from pathlib import Path

import pytest
from helpers.runs import TASK, smoke_study, train
from helpers.sharing import made_once

from fmq.config.study import Study
from fmq.pipeline.runs import Run, make_run
from fmq.rollouts.recording import record_rollouts

# Three simulators for five episodes: two start while others run, and the last ends alone.
CHANGES = """
methods: [fmq]
samplers: []
task_defaults: {episode_limit: 23}
evaluation: {episodes: 5, environments: 3}
rollouts: {episodes: [4, 0]}
"""


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return smoke_study(tmp_path_factory, CHANGES)


@pytest.fixture(scope="session")
def run(study: Study) -> Run:
    return make_run(study, TASK, 0, "finetune-fmq")


@pytest.fixture(scope="session")
def recorded(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder; not to be changed."""

    def make(folder: Path) -> None:
        train(study, folder, "pretrain-warmup", "distill-esd", "finetune-fmq")
        record_rollouts(study, TASK, 0, "fmq", folder)

    return made_once(tmp_path_factory, "recorded", make)


@pytest.fixture
def results(recorded: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(recorded, tmp_path / "results"))
