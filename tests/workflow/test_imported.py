"""Policies in files of others as a column of a study's tables, from the pickles to LaTeX."""

import re
from pathlib import Path

import pandas as pd
import pytest
from helpers.flax import write_agent
from helpers.workflows import Project, unaddressed

TASK = "pointmaze-medium-navigate-singletask-task4-v0"
OVERLAY = f"""
tasks: [{TASK}]
seeds: [0, 1]
methods: [qc, authors]
imported:
  authors:
    label: FMQ, authors'
    files: authors/{{task}}/params_online_sd{{seed:03d}}.pkl
samplers: []
"""
RUNS = f"results/runs/{TASK}"
pytestmark = pytest.mark.slow
WORDS = (
    "FMQ, authors': not trained here but read from others' files such as params_online_sd000.pkl"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A study of QC and of two pickles, run once."""
    project = Project(tmp_path_factory.mktemp("project"))
    for seed in (0, 1):
        write_agent(pickled(project, seed), seed)
    project.make(OVERLAY)
    return project


def pickled(project: Project, seed: int) -> Path:
    return project.folder / "authors" / TASK / f"params_online_sd{seed:03d}.pkl"


def test_the_tables_have_its_column(project: Project) -> None:
    tables = project.folder / "results" / "tables"
    main = pd.read_csv(tables / "main.csv")
    theirs = main[main["method"] == "authors"]
    assert set(theirs["label"]) == {"FMQ, authors'"}
    assert list(zip(theirs["task"], theirs["stage"], strict=True)) == [
        (TASK, "online"),
        ("IQM", "online"),
    ]
    assert theirs["value"].notna().all()
    text = (tables / "main.md").read_text().replace("\xa0", " ")
    assert "| task | QC | FMQ, authors' |" in text
    (row,) = (line for line in text.splitlines() if line.startswith("| pointmaze-medium task4"))
    assert row.split("|")[3].startswith(" – → ")
    assert WORDS in text
    latex = (tables / "main.tex").read_text()
    assert re.search(r" & .*QC\b.* & .*FMQ,", latex)
    assert WORDS.replace("_", r"\_") in latex
    assert "Unfinished" not in text + latex
    told = (tables / "comparisons.md").read_text()
    online, offline = told.split("After offline training")
    (sentence,) = (line for line in online.splitlines() if line.startswith("- QC "))
    assert "FMQ, authors'" in sentence
    assert "- No row differs from QC" in offline


def test_its_runs_are_evaluated_like_any(project: Project) -> None:
    for seed in (0, 1):
        folder = project.folder / RUNS / f"seed{seed}"
        files = [
            pd.read_csv(file)
            for pattern in ("finetune-authors-*/evaluate-*.csv", "finetune-qc-*/last_*.csv")
            for file in folder.glob(pattern)
        ]
        assert [list(file["episode"]) for file in files] == [[0, 1, 2, 3]] * 2
        assert {step for file in files for step in file["step"]} == {60}
    status = project.shell("fmq status")
    assert "finetune-authors" in status.stdout
    assert ", 0 running, 0 waiting, 0 failed" in status.stdout


def test_a_second_run_has_nothing_to_do(project: Project) -> None:
    assert project.planned(OVERLAY) == set()


def test_another_pickle_makes_a_run_of_its_own(project: Project) -> None:
    before = pickled(project, 1).read_bytes()
    write_agent(pickled(project, 1), 7)
    made = {unaddressed(file) for file in project.planned(OVERLAY) if file.startswith(RUNS)}
    names = ("checkpoint.pt", "evaluations.csv", "settings.json", "provenance.json")
    assert made == {
        f"{RUNS}/seed1/finetune-authors/{name}"
        for name in (*names, "evaluate-best_of_n.csv", "evaluate-best_of_n.json")
    }
    pickled(project, 1).write_bytes(before)
    assert project.planned(OVERLAY) == set()


def test_a_missing_or_damaged_pickle_is_one_line(project: Project) -> None:
    path = pickled(project, 0)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    done = project.shell(f"fmq import-run {TASK} --seed 0 --method authors")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "params_online_sd000.pkl" in done.stderr
    path.unlink()
    plan = project.snakemake("--dry-run", *project.overlay(OVERLAY))
    (told,) = (line for line in plan.stderr.splitlines() if line.startswith("fmq: "))
    assert "imported.authors.files: no file" in told
    assert plan.returncode != 0
    path.write_bytes(whole)
