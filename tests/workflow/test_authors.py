"""The study of the authors' policies, small ones from a server here, and three damaged ones."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml
from helpers.authors import SMALL, point, publish, spoil
from helpers.serving import serving
from helpers.workflows import ROOT, Project

from fmq.config.reading import load_study
from fmq.config.sources import find_release

pytestmark = pytest.mark.slow
FILES = ("config/paper.yaml", "config/authors.yaml", "small.yaml")
ALL = load_study(ROOT / "config.yaml", ROOT / "config/paper.yaml").tasks
TASKS, SEEDS = ALL[::3], range(1)  # all 60 policies are ALL and range(5), in a quarter of an hour
DAMAGED = [(TASKS[0], SEEDS[0]), (TASKS[1], SEEDS[len(SEEDS) // 4]), (TASKS[2], SEEDS[-1])]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, Path]]:
    """A copy of the project whose source of policies is a server here, and the served folder."""
    project = Project(tmp_path_factory.mktemp("project"))
    folder = tmp_path_factory.mktemp("served")
    publish(folder, TASKS, SEEDS)
    limits = {task: {"episode_limit": 10} for task in TASKS}
    # One job evaluates a task's seeds, which takes a third of the time for five.
    small = {
        "tasks": TASKS,
        "task_settings": limits,
        "training": {"stack_seeds": True},
        "seeds": [*SEEDS],
    }
    text = yaml.safe_dump(small | yaml.safe_load(SMALL))
    (project.folder / "small.yaml").write_text(text)
    with serving(folder) as address:
        point(project.folder / "src" / "fmq" / "config" / "sources.yaml", address)
        yield project, folder


def test_all_rows_are_there_after_three_damaged_files_are_mended(
    served: tuple[Project, Path], robosuite: object
) -> None:
    project, folder = served
    release = find_release("flow-map-policies")
    assert (len(release.folders), len(release.seeds)) == (len(ALL), 5) == (12, 5)
    results = project.folder / "results"
    spoil(folder, DAMAGED)
    first = project.snakemake("--keep-going", "--configfile", *FILES)
    assert first.returncode != 0
    told = {}
    for task, seed in DAMAGED:
        (log,) = (results / "policies" / task / f"seed{seed}").glob("*/log.txt")
        lines = log.read_text().splitlines()
        (told[task],) = (line for line in lines if line.startswith("fmq: "))
        assert not list(log.parent.glob("*.pkl"))
    for line, reason in zip(told.values(), ("damaged", "no critics", "404"), strict=True):
        assert reason in line
    runs = "runs/*/*/finetune-authors-*"
    assert len(list(results.glob(f"{runs}/checkpoint.pt"))) == len(TASKS) * len(SEEDS) - 3
    assert len(list(results.glob(f"{runs}/evaluate-*.csv"))) == 2 * (len(TASKS) - 3) * len(SEEDS)
    assert project.shell("fmq status").stdout.rstrip().endswith(", 3 failed")
    publish(folder, TASKS, SEEDS)
    second = project.snakemake("--configfile", *FILES)
    assert second.returncode == 0, second.stdout + second.stderr
    found = pd.read_csv(results / "tables" / "reported.csv")
    whole = ["IQM"] if TASKS == ALL else []  # which was reported of all tasks together
    assert list(found["task"]) == [task for task in [*TASKS, *whole] for _ in range(2)]
    assert found["value"].notna().all()
    assert (found["runs"] == len(SEEDS)).all()
    assert not whole or list(found["reported"][-2:]) == [91, 93]
    assert found["meet"].notna().all() == (len(SEEDS) > 1)
    third = project.snakemake("--dry-run", "--configfile", *FILES)
    assert "Nothing to be done" in third.stdout + third.stderr
    kept = project.shell("fmq gc results/studies/authors-*/settings.json")
    assert kept.stdout.strip() == "nothing to delete"
