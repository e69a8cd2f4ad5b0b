"""A study whose seeds are trained together, from nothing to its scores."""

from pathlib import Path

import pandas as pd
import pytest
from helpers.workflows import Project, unaddressed

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
    project.make(STACKED, "--", f"{project.study_folder(STACKED)}/scores.csv")
    return project


def test_every_seed_has_its_runs_and_the_smallest_the_logs(project: Project) -> None:
    runs = project.folder / "results" / "runs" / TASK
    names = {"pretrain-warmup", "distill-esd", "finetune-mvp"}
    evaluations = {f"{run}/evaluate-qgbs" for run in ("distill-esd", "finetune-mvp")}
    for seed in (0, 1):
        folder = runs / f"seed{seed}"
        made = {unaddressed(file.relative_to(folder)) for file in folder.rglob("*.*")}
        assert {f"{name}/checkpoint.pt" for name in names} <= made
        logs = {name for name in made if name.endswith(("log.txt", ".log"))}
        first = {f"{name}/log.txt" for name in names} | {f"{name}.log" for name in evaluations}
        assert logs == (first if seed == 0 else set())
        assert {f"{name}.csv" for name in evaluations} <= made
    scores = pd.read_csv(project.folder / project.study_folder(STACKED) / "scores.csv")
    assert set(scores.seed) == {0, 1}


@pytest.mark.parametrize("seeds", ["[1, 0]", "[0, 1]"])
def test_the_same_seeds_in_any_order_make_no_run_again(project: Project, seeds: str) -> None:
    planned = project.planned(STACKED.replace("[1, 0]", seeds))
    assert "results/tables/main.tex" in planned
    assert not any(file.startswith("results/runs") for file in planned)


@pytest.mark.parametrize("seeds", [[0], [1, 0, 2]])
def test_other_seeds_make_all_of_them_again(project: Project, seeds: list[int]) -> None:
    """Beside those that are there: what is trained together has a folder of its own."""
    planned = project.planned(STACKED.replace("[1, 0]", str(seeds)))
    made = [Path(file) for file in planned if "/finetune-mvp-" in file and "checkpoint" in file]
    assert {path.parts[3] for path in made} == {f"seed{n}" for n in seeds}
    assert not any((project.folder / path).exists() for path in made)
