"""A made-up study: evaluations drawn at random, to test the analysis and nothing else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from fmq.ablations import base_name
from fmq.analysis.evaluations import EVALUATION
from fmq.analysis.scores import comparison_rows
from fmq.configuration import study_from_dict
from fmq.datasets import training_file
from fmq.methods import METHODS
from fmq.runs import Run, evaluation_name, evaluation_settings, make_run, settings_hash
from fmq.settings import Study
from fmq.variants import ablation_rows


@pytest.fixture(autouse=True)
def _undrawn(request: pytest.FixtureRequest) -> None:
    """Leave figures to the tests that are marked for them: one at least of each."""
    if request.node.get_closest_marker("drawn") is None:
        request.getfixturevalue("undrawn")


CHANCE = {  # of success, offline and online: made up
    "fmq": (0.5, 0.95),
    "mvp": (0.5, 0.7),
    "qc": (0.4, 0.6),
    "mvp-no-new-data": (0.5, 0.5),
}


def make_study(root: Path, **changes: object) -> Study:
    """The default study with a short budget and few resamples."""
    values = yaml.safe_load((root / "config.yaml").read_text())
    values["name"] = "made-up-test-data"
    values["evaluation"] |= {"episodes": 20, "environments": 5}
    values["statistics"]["resamples"] = 200
    values["offline"] |= {"steps": 10_000, "warmup_steps": 1000, "anneal_end": 5000}
    values["offline"]["evaluate_every"] = 5000
    values["online"] |= {"steps": 8000, "evaluate_every": 2000}
    return study_from_dict(values | changes, "test")


def evaluation_rows(
    study: Study, task: str, run: str, sampler: str, seed: int, stage: str, steps: list[int]
) -> pd.DataFrame:
    """Episodes whose chance of success grows with the step."""
    method = base_name(run.removeprefix("finetune-")) if stage == "online" else "fmq"
    generator = np.random.default_rng([seed, *map(ord, task + run + sampler)])
    start, end = CHANCE[method]
    last = study.offline.steps if stage == "offline" else study.online.steps
    rows = []
    for step in steps:
        done = step / last
        chance = start * done if stage == "offline" else start + (end - start) * done
        successes = generator.random(study.evaluation.episodes) < chance
        for episode, success in enumerate(successes):
            length = int(generator.integers(50, 400)) if success else 1000
            values = (task, run, sampler, seed, stage, step, episode, int(success), -length, length)
            rows.append(dict(zip(EVALUATION, values, strict=True)))
    return pd.DataFrame(rows, columns=list(EVALUATION))


def record(settings: dict[str, Any]) -> dict[str, Any]:
    return {"hash": settings_hash(settings), "settings": settings}


def data_record(run: Run) -> dict[str, Any]:
    """The bytes that a run learned from, as in the `manifest` below."""
    return {"dataset": {training_file(run.task.dataset): "0" * 64}}


def write_run_record(folder: Path, run: Run) -> None:
    """What a run folder says of itself, and the run's parents of themselves."""
    (folder / run.name).mkdir(parents=True, exist_ok=True)
    (folder / run.name / "settings.json").write_text(json.dumps(record(run.settings())))
    (folder / run.name / "provenance.json").write_text(json.dumps(data_record(run)))
    if run.parent is not None:
        write_run_record(folder, run.parent)


def write_runs(study: Study, runs: Path) -> None:
    """Every evaluation file that the study calls for, and its records."""
    online = list(
        range(study.online.evaluate_every, study.online.steps, study.online.evaluate_every)
    )
    offline = [
        step
        for step in range(0, study.offline.steps, study.offline.evaluate_every)
        if step > study.offline.warmup_steps
    ]
    for task in study.tasks:
        for seed in study.seeds:
            folder = runs / task / f"seed{seed}"
            for method, sampler in comparison_rows(study):
                for stage, run, steps, last in (
                    ("offline", study.offline_run(method), offline, study.offline.steps),
                    ("online", f"finetune-{method}", online, study.online.steps),
                ):
                    made = make_run(study, task, seed, run)
                    write_run_record(folder, made)
                    write_last(runs, made, sampler, stage, last)
                    about = (study, task, run, sampler, seed, stage)
                    if sampler == METHODS[method].sampler:
                        evaluation_rows(*about, steps).to_csv(
                            folder / run / "evaluations.csv", index=False
                        )


def write_last(runs: Path, run: Run, sampler: str, stage: str, step: int) -> None:
    """Episodes of a run's last checkpoint, and the record beside them."""
    folder = runs / run.task.name / f"seed{run.seed}"
    write_run_record(folder, run)
    path = folder / evaluation_name(run, sampler)
    about = (run.study, run.task.name, run.name, sampler, run.seed, stage)
    evaluation_rows(*about, [step]).to_csv(path, index=False)
    rests_on = record(evaluation_settings(run, sampler)) | data_record(run)
    path.with_suffix(".json").write_text(json.dumps(rests_on))


def write_ablation_runs(study: Study, runs: Path) -> None:
    """The evaluations of all ablations."""
    for row in ablation_rows(study):
        for task in study.tasks:
            for seed in study.seeds:
                run = make_run(study, task, seed, row.run)
                stage = "online" if run.stage == "finetune" else "offline"
                write_last(runs, run, row.sampler, stage, run.last_step)


@pytest.fixture(scope="session")
def ablation_runs_writer() -> Callable[[Study, Path], None]:
    return write_ablation_runs


@pytest.fixture(scope="session")
def study_maker() -> Callable[..., Study]:
    root = Path(__file__).parents[2]
    return lambda **changes: make_study(root, **changes)


@pytest.fixture(scope="session")
def runs_writer() -> Callable[[Study, Path], None]:
    return write_runs


@pytest.fixture(scope="session")
def study(study_maker: Callable[..., Study]) -> Study:
    return study_maker()


@pytest.fixture(scope="session")
def runs(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of made-up runs; read it, never change it."""
    folder = tmp_path_factory.mktemp("runs")
    write_runs(study, folder)
    return folder


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dataset") / "manifest.json"
    path.write_text(
        json.dumps(
            {
                "name": "pointmaze-medium-navigate-v0",
                "source": "made up for a test_case, not the official data set",
                "files": {"pointmaze-medium-navigate-v0.npz": {"sha256": "0" * 64, "bytes": 1}},
            }
        )
    )
    return path
