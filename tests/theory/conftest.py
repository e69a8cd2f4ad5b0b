"""The smoke study's runs on one task, and what `fmq theory` measures on them."""

from pathlib import Path

import pytest
from helpers.runs import TASK, smoke_study, train
from helpers.sharing import made_once

from fmq.config.study import Study
from fmq.theory.measure import measure_theory

RUNS = ("pretrain-warmup", "distill-esd", "distill-lsd", "distill-psd", "finetune-fmq")


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return smoke_study(tmp_path_factory, "")


@pytest.fixture(scope="session")
def measured(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with the runs and their measurements; not to be changed."""

    def make(results: Path) -> None:
        train(study, results, *RUNS)
        measure_theory(study, TASK, 0, results)

    return made_once(tmp_path_factory, "measured", make)
