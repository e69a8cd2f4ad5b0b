"""Test the folder of everything that is derived from a study's runs together."""

from pathlib import Path
from typing import Any

import pytest
from helpers.studies import changed

from fmq.config.reading import load_study
from fmq.config.study import Study
from fmq.pipeline.paths import evaluation_file
from fmq.pipeline.runs import make_run
from fmq.pipeline.studies import study_folder


@pytest.fixture
def study(root: Path) -> Study:
    return load_study(root / "config.yaml", root / "config/smoke.yaml")


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"tracker": "tensorboard"}, True),
        ({"evaluation": {"processes": 2}}, True),
        ({"online": {"simulators": "apart"}}, True),
        ({"evaluation": {"beside": True}}, True),
        ({"seeds": [1]}, False),
        ({"methods": ["fmq", "mvp"]}, False),
        ({"statistics": {"resamples": 500}}, False),
        ({"published": True}, False),
        ({"ablations": {"methods": {"fmq@lsd": None}}}, False),
        ({"datasets": {"pointmaze-medium-navigate-v0": {"validation_episodes": 2}}}, False),
    ],
)
def test_a_study_has_a_folder_of_its_own(study: Study, changes: dict[str, Any], same: bool) -> None:
    folders = [study_folder(one, Path("results")) for one in (study, changed(study, changes))]
    assert (folders[0] == folders[1]) is same


def test_an_unfinished_study_s_folder_is_of_what_is_there(study: Study, tmp_path: Path) -> None:
    results, elsewhere = tmp_path / "results", tmp_path / "elsewhere"
    unfinished = changed(study, {"allow_missing": True})
    before, finished = study_folder(unfinished, results), study_folder(study, results)
    run = make_run(study, study.tasks[0], study.seeds[0], "finetune-fmq")
    path = evaluation_file(run, "qgbs", results)
    path.parent.mkdir(parents=True)
    path.touch()
    assert study_folder(study, results) == finished
    after = study_folder(unfinished, results)
    assert after != before
    results.rename(elsewhere)
    assert study_folder(unfinished, elsewhere).name == after.name
