"""The default study's recipe learns online, through the very commands that a reader gives."""

from pathlib import Path

import pandas as pd
import pytest
from helpers.workflows import Project

from fmq.config.reading import load_study
from fmq.pipeline.studies import study_folder

STUDY = """
name: learning
tasks: [pointmaze-medium-navigate-singletask-task4-v0]
seeds: [0]
methods: [fmq]
samplers: []
"""


@pytest.mark.slow
def test_fmq_solves_task4_which_its_offline_policy_does_not(tmp_path: Path) -> None:
    project = Project(tmp_path)
    (tmp_path / "learning.yaml").write_text(STUDY)
    study = load_study(tmp_path / "config.yaml", tmp_path / "learning.yaml")
    file = study_folder(study, Path("results")) / "scores.csv"
    result = project.snakemake("--configfile", "learning.yaml", "--", str(file))
    assert result.returncode == 0, result.stdout + result.stderr
    scores = pd.read_csv(tmp_path / file)
    last = scores.groupby("stage").last()["success"]
    assert last["offline"] < 0.2
    assert last["online"] >= 0.8
