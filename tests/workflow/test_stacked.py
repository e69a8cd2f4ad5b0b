"""A study whose seeds are trained together, from nothing to its scores."""

from pathlib import Path

import pandas as pd
import pytest
from helpers.workflows import Project

TASK = "pointmaze-medium-navigate-singletask-task2-v0"
STACKED = f"""
tasks: [{TASK}]
seeds: [1, 0]
methods: [mvp]
samplers: [mvp+qgbs]
training: {{stack_seeds: true}}
"""


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The study up to its scores, run once."""
    project = Project(tmp_path_factory.mktemp("project"))
    result = project.snakemake(*project.overlay(STACKED), "--", "results/scores.csv")
    assert result.returncode == 0, result.stdout + result.stderr
    return project


def test_every_seed_has_its_runs_and_the_smallest_the_logs(project: Project) -> None:
    runs = project.folder / "results" / "runs" / TASK
    names = {"pretrain-warmup", "distill-esd", "finetune-mvp"}
    for seed in (0, 1):
        assert {path.parent.name for path in runs.glob(f"seed{seed}/*/checkpoint.pt")} == names
        evaluated = {path.stem for path in runs.glob(f"seed{seed}/*.csv")}
        assert evaluated == {f"evaluate-{run}-qgbs" for run in ("distill-esd", "finetune-mvp")}
    assert {path.parent.name for path in runs.glob("seed0/*/log.txt")} == names
    assert len(list(runs.glob("seed*/*.log"))) == len(list(runs.glob("seed0/*.log"))) == 2
    assert not list(runs.glob("seed1/*/log.txt"))
    scores = pd.read_csv(project.folder / "results" / "scores.csv")
    assert set(scores.seed) == {0, 1}


@pytest.mark.parametrize("seeds", ["[1, 0]", "[0, 1]"])
def test_the_same_seeds_in_any_order_make_no_run_again(project: Project, seeds: str) -> None:
    planned = project.planned(STACKED.replace("[1, 0]", seeds))
    assert "results/tables/main.tex" in planned
    assert not any(file.startswith("results/runs") for file in planned)


@pytest.mark.parametrize("seeds", [[0], [1, 0, 2]])
def test_other_seeds_make_all_of_them_again(project: Project, seeds: list[int]) -> None:
    planned = project.planned(STACKED.replace("[1, 0]", str(seeds)))
    made = {Path(file).parent for file in planned if file.endswith("finetune-mvp/checkpoint.pt")}
    assert {folder.parent.name for folder in made} == {f"seed{n}" for n in seeds}
