"""The smoke study's runs, undisturbed and disturbed."""

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from helpers.sharing import made_once

from fmq.configuration import load_study
from fmq.data.generate import generate_dataset
from fmq.paths import dataset_folder, run_folder
from fmq.runs import Run, make_run
from fmq.settings import Study, find_dataset
from fmq.training.offline import train_offline
from fmq.training.online import finetune
from fmq.training.workbench import Workbench

ROOT = Path(__file__).parents[2]
DATASET = "pointmaze-medium-navigate-v0"
TASK = "pointmaze-medium-navigate-singletask-task4-v0"
STAGES = ("pretrain-warmup", "distill-esd", "finetune-fmq", "finetune-mvp-no-new-data")


class Interruption(BaseException):
    """As good as a kill: nothing of ours catches it, and only what is on disk survives."""


class Disturbance:
    """Runs of the smoke study on one task, and what may happen to them."""

    dataset = DATASET
    interruption = Interruption

    def run(self, study: Study, name: str, seed: int = 0) -> Run:
        return make_run(study, TASK, seed, name)

    def train(self, study: Study, name: str, results: Path, seeds: Sequence[int] = (0,)) -> None:
        runs = [self.run(study, name, seed) for seed in seeds]
        (finetune if runs[0].stage == "finetune" else train_offline)(runs, results)

    def folder(self, results: Path, name: str, seed: int = 0) -> Path:
        return run_folder(results, TASK, seed, name)

    def outputs(self, results: Path, name: str, seed: int = 0) -> list[bytes]:
        files = ("checkpoint.pt", "evaluations.csv", "last_evaluation.csv", "last_evaluation.json")
        return [(self.folder(results, name, seed) / file).read_bytes() for file in files]

    def at_call(
        self,
        patch: pytest.MonkeyPatch,
        calls: int,
        deed: Callable[[], object],
        method: str = "sample",
    ) -> None:
        """Do `deed` behind the call number `calls` of a method of the workbench."""
        original, count = getattr(Workbench, method), 0

        def counted(self: Workbench, *arguments: Any) -> Any:
            nonlocal count
            count += 1
            result = original(self, *arguments)
            if count == calls:
                deed()
            return result

        patch.setattr(Workbench, method, counted)

    def die(self) -> None:
        raise Interruption

    def ask_to_stop(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(scope="session")
def disturbance() -> Disturbance:
    return Disturbance()


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The smoke study with two seeds; progress is kept at every step, episodes end on the way."""
    overlay = tmp_path_factory.mktemp("settings") / "overlay.yaml"
    overlay.write_text(
        "checkpoint_seconds: 1.0e-9\ntask_defaults: {episode_limit: 23}\nseeds: [0, 1]\n"
    )
    return load_study(ROOT / "config.yaml", ROOT / "config" / "smoke.yaml", overlay)


@pytest.fixture(scope="session")
def undisturbed(
    smoke: Study, disturbance: Disturbance, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    def make(results: Path) -> None:
        generate_dataset(DATASET, find_dataset(smoke, DATASET), dataset_folder(results, DATASET), 1)
        for name in STAGES:
            disturbance.train(smoke, name, results)

    return made_once(tmp_path_factory, "undisturbed", make)


@pytest.fixture
def results(undisturbed: Path, tmp_path: Path) -> Path:
    """A results folder with the data and the runs that others start from."""
    folder = tmp_path / "results"
    for name in ("datasets", *(f"runs/{TASK}/seed0/{run}" for run in STAGES[:2])):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(undisturbed / name)
    return folder
