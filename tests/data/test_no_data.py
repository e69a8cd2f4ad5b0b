"""Data sets of a study that trains nothing: a manifest, and what simulators are made from."""

import json
from pathlib import Path
from types import ModuleType

import h5py
import pytest
import yaml
from helpers.demonstrations import write_random
from helpers.refusals import refusal

from fmq.config.reading import load_study, study_from_dict
from fmq.config.tasks import ROBOSUITE, TaskSettings, parse_task
from fmq.data.agreement import compare_with_kept
from fmq.data.demonstrations import make_env_args
from fmq.data.manifest import check_dataset
from fmq.data.no_data import write_no_data
from fmq.envs.making import make_environment
from fmq.envs.robosuite import kept_env_kwargs


def test_ogbench_needs_no_file(tmp_path: Path) -> None:
    write_no_data("scene-play-v0", tmp_path)
    manifest = check_dataset(tmp_path, "scene-play-v0")
    assert (manifest["files"], manifest["settings"]) == ({}, {"source": "none"})
    task = parse_task("scene-play-singletask-task4-v0", TaskSettings())
    assert len(make_environment(task, tmp_path).reset(0)) == 40


@pytest.mark.parametrize("name", ["can-mh-low_dim", "square-mh-low_dim"])
def test_robomimic_s_simulators_are_made_without_demonstrations(
    robosuite: ModuleType, tmp_path: Path, name: str
) -> None:
    write_no_data(name, tmp_path)
    check_dataset(tmp_path, name)
    environment = make_environment(parse_task(name, TaskSettings()), tmp_path)
    assert (len(environment.reset(0)), environment.action_size) == (23, 7)


def test_the_kept_settings_are_robosuite_s_own(robosuite: ModuleType) -> None:
    controllers = robosuite.load_composite_controller_config(robot="Panda")
    controllers["body_parts"]["right"]["input_ref_frame"] = "world"
    assert kept_env_kwargs()["controller_configs"] == controllers


def test_a_file_with_another_simulator_is_told(
    robosuite: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, task = tmp_path / "lift.hdf5", parse_task("lift-mh-low_dim", TaskSettings())
    write_random(path, ROBOSUITE["lift"], episodes=1, steps=2)
    compare_with_kept(path, task)
    assert capsys.readouterr().err == ""
    changed = make_env_args("Lift")
    changed["env_kwargs"]["controller_configs"]["body_parts"]["right"]["input_ref_frame"] = "base"
    with h5py.File(path, "r+") as file:
        file["data"].attrs["env_args"] = json.dumps(changed)
    compare_with_kept(path, task)
    (line,) = capsys.readouterr().err.splitlines()
    assert "differs by up to" in line
    assert "results of the two are not comparable" in line


def test_nothing_is_trained_on_it(root: Path) -> None:
    values = yaml.safe_load((root / "config.yaml").read_text())
    values["datasets"] = {"pointmaze-medium-navigate-v0": {"source": "none"}}
    told = refusal(study_from_dict, values, "test")
    assert "datasets.pointmaze-medium-navigate-v0.source: none, but fmq learns from it" in told


def test_the_authors_study_needs_no_data(root: Path) -> None:
    names = ("config.yaml", "config/paper.yaml", "config/authors.yaml")
    study = load_study(*(root / name for name in names))
    assert {study.datasets[name].source for name in study.dataset_names()} == {"none"}
    assert not study.trained_methods
