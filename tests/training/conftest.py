"""Runs of the smoke study, undisturbed and disturbed."""

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from helpers.sharing import made_once

from fmq.config.reading import load_study
from fmq.config.study import Study, find_dataset
from fmq.data.generate import generate_dataset
from fmq.pipeline.paths import dataset_folder, run_folder
from fmq.pipeline.runs import Run, make_run
from fmq.training.offline import train_offline
from fmq.training.online import finetune
from fmq.training.workbench import Workbench

ROOT = Path(__file__).parents[2]
DATASET = "pointmaze-medium-navigate-v0"
TASK = "pointmaze-medium-navigate-singletask-task4-v0"
STAGES = ("pretrain-warmup", "distill-esd", "finetune-fmq", "finetune-mvp-no-new-data")


class Interruption(BaseException):
    """An exception that acts like a kill: fmq does not catch it, and only the disk survives."""


class Disturbance:
    """Trains runs of a study on one task, and disturbs them."""

    dataset = DATASET
    interruption = Interruption

    def __init__(self, study: Study) -> None:
        self.study = study

    def run(self, study: Study, name: str, seed: int = 0) -> Run:
        return make_run(study, TASK, seed, name)

    def train(self, study: Study, name: str, results: Path, seeds: Sequence[int] = (0,)) -> None:
        runs = [self.run(study, name, seed) for seed in seeds]
        (finetune if runs[0].stage == "finetune" else train_offline)(runs, results)

    def folder(self, results: Path, name: str, seed: int = 0) -> Path:
        """Return the folder of a run of the study; other settings have another folder."""
        return run_folder(self.run(self.study, name, seed), results)

    def outputs(self, results: Path, name: str, seed: int = 0) -> list[bytes]:
        files = ("checkpoint.pt", "evaluations.csv", "last_evaluation.csv", "last_evaluation.json")
        return [(self.folder(results, name, seed) / file).read_bytes() for file in files]

    def at_call(
        self,
        patch: pytest.MonkeyPatch,
        calls: int,
        deed: Callable[[], object],
        method: str = "sample",
        owner: type = Workbench,
    ) -> None:
        """Call `deed` after call number `calls` of a method of the workbench, or of `owner`."""
        original, count = getattr(owner, method), 0

        def counted(self: object, *arguments: Any) -> Any:
            nonlocal count
            count += 1
            result = original(self, *arguments)
            if count == calls:
                deed()
            return result

        patch.setattr(owner, method, counted)

    def die(self) -> None:
        raise Interruption

    def ask_to_stop(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The smoke study with two seeds, progress saved at every step, and short episodes."""
    overlay = tmp_path_factory.mktemp("settings") / "overlay.yaml"
    overlay.write_text(
        "checkpoint_seconds: 1.0e-9\ntask_defaults: {episode_limit: 23}\nseeds: [0, 1]\n"
    )
    return load_study(ROOT / "config.yaml", ROOT / "config" / "smoke.yaml", overlay)


@pytest.fixture(scope="session")
def disturbance(smoke: Study) -> Disturbance:
    return Disturbance(smoke)


@pytest.fixture(scope="session")
def undisturbed(
    smoke: Study, disturbance: Disturbance, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    def make(results: Path) -> None:
        folder = dataset_folder(smoke, DATASET, results)
        generate_dataset(DATASET, find_dataset(smoke, DATASET), folder, 1)
        for name in STAGES:
            disturbance.train(smoke, name, results)

    return made_once(tmp_path_factory, "undisturbed", make)


@pytest.fixture
def results(disturbance: Disturbance, undisturbed: Path, tmp_path: Path) -> Path:
    """A results folder with the data and the runs that others start from."""
    results = tmp_path / "results"
    results.mkdir()
    (results / "datasets").symlink_to(undisturbed / "datasets")
    for name in STAGES[:2]:
        folder = disturbance.folder(results, name)
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.symlink_to(disturbance.folder(undisturbed, name))
    return results
