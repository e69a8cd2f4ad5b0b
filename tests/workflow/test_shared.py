"""A study whose seeds share the offline runs of the first and are fine-tuned together."""

import json
from pathlib import Path

import pandas as pd
import pytest
from helpers.workflows import Project, unaddressed

TASK = "pointmaze-medium-navigate-singletask-task2-v0"
SHARED = f"""
tasks: [{TASK}]
seeds: [1, 0]
methods: [mvp]
samplers: [mvp+qgbs]
offline: {{shared: true}}
training: {{stack_seeds: true}}
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The study, run once."""
    project = Project(tmp_path_factory.mktemp("project"))
    project.make(SHARED)
    return project


def test_only_the_first_seed_trains_offline(project: Project) -> None:
    runs = project.folder / "results" / "runs" / TASK
    made = {
        seed: {unaddressed(path.name) for path in (runs / f"seed{seed}").iterdir()}
        for seed in (0, 1)
    }
    assert made == {0: {"finetune-mvp"}, 1: {"pretrain-warmup", "distill-esd", "finetune-mvp"}}
    for seed in (0, 1):
        (online,) = (runs / f"seed{seed}").glob("finetune-mvp-*")
        settings = json.loads((online / "settings.json").read_text())["settings"]
        assert (settings["seed"], settings["parent"]["seed"]) == (seed, 1)
    first, second = ((runs / f"seed{n}").glob("finetune-mvp-*/metrics.csv") for n in (0, 1))
    assert next(first).read_text() != next(second).read_text()


def test_each_seed_has_the_first_one_s_offline_scores(project: Project) -> None:
    scores = pd.read_csv(project.folder / "results" / "scores.csv")
    columns = ["sampler", "stage", "step", "success", "return", "length"]
    offline, online = (
        [
            scores[(scores.seed == seed) & (scores.stage == stage)][columns].reset_index(drop=True)
            for seed in (0, 1)
        ]
        for stage in ("offline", "online")
    )
    pd.testing.assert_frame_equal(*offline)
    assert set(offline[0].sampler) == {"best_of_n", "qgbs"}
    assert len(online[0]) == len(online[1])
    table = (project.folder / "results" / "tables" / "main.md").read_text()
    assert "All seeds start from the offline runs of seed 1" in table


def test_status_and_cleaning_know_of_no_other_offline_run(project: Project) -> None:
    settings = Path("results") / "settings.json"
    status = project.run(["fmq", "status", "--json"])
    parts = json.loads(status.stdout)["parts"]
    assert {part["state"] for part in parts} == {"done"}
    offline = [part for part in parts if part["rule"] in ("pretrain", "distill")]
    assert [part["seed"] for part in offline] == [1, 1]
    swept = project.run(["fmq", "gc", str(settings)])
    assert swept.stdout.splitlines()[-1] == "nothing to delete", swept.stderr
