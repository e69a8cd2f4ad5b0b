"""Files of the study's own: taken as they are, or refused on one line."""

import json
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import pytest
from helpers.demonstrations import write_random
from helpers.refusals import refusal
from typer.testing import CliRunner

from fmq.base.files import file_sha256
from fmq.cli import app
from fmq.config.datasets import RandomData
from fmq.config.reading import load_study
from fmq.config.study import Study
from fmq.data.generate import generate_dataset
from fmq.data.loading import load_transitions
from fmq.data.manifest import check_dataset
from fmq.data.provide import provide_dataset
from fmq.envs.making import make_environment
from fmq.envs.robomimic import RobomimicEnvironment
from fmq.export.card import Card
from fmq.export.simulator import task_of
from fmq.pipeline.data import refuse_other_data
from fmq.pipeline.paths import dataset_folder
from fmq.pipeline.runs import make_run
from fmq.tools.doctor.data_files import source_findings
from fmq.tools.doctor.machine import bytes_to_come
from fmq.tools.doctor.simulators import simulator_findings
from fmq.tools.plan.simulators import Sizes, prepare_simulator

Change = Callable[[h5py.File], object]
Studies = Callable[..., Study]


@pytest.fixture(scope="module")
def stack(robosuite: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three demonstrations of a simulator that is not among RoboMimic's."""
    path = tmp_path_factory.mktemp("own") / "stack.hdf5"
    write_random(path, "Stack", episodes=3, steps=12)
    return path


@pytest.fixture
def study(root: Path, tmp_path: Path, stack: Path) -> Studies:
    """A study of the file, or of a changed copy, with more settings of its data set."""

    def load(change: Change | None = None, **more: object) -> Study:
        path = tmp_path / "mine.hdf5"
        shutil.copy(stack, path)
        if change is not None:
            with h5py.File(path, "r+") as file:
                change(file)
        settings = {"source": "file", "path": str(path), **more}
        overlay = tmp_path / "overlay.yaml"
        overlay.write_text(f"tasks: [mine]\ndatasets: {json.dumps({'mine': settings})}\n")
        return load_study(root / "config.yaml", overlay)

    return load


def refused(study: Study, results: Path) -> str:
    told = refusal(provide_dataset, study, "mine", results, 1)
    assert not list((results / "datasets").glob("*/manifest.json"))
    return told


def test_a_file_is_linked_to_and_its_simulator_is_made_as_it_says(
    study: Studies, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = study()
    folder = dataset_folder(mine, "mine", tmp_path)
    provide_dataset(mine, "mine", tmp_path, 1)
    provide_dataset(mine, "mine", tmp_path, 1)  # over itself
    assert "mine: 3 demonstrations, 36 steps, 0 solved: no reward" in capsys.readouterr().err
    manifest = check_dataset(folder, "mine")
    assert (folder / "mine.hdf5").resolve() == tmp_path / "mine.hdf5"
    assert manifest["files"]["mine.hdf5"]["sha256"] == file_sha256(tmp_path / "mine.hdf5")
    assert manifest["source"] == "a file of the study's own, mine.hdf5"
    task = mine.task("mine")
    read = load_transitions(folder, task)
    assert (read.observations.shape, read.actions.shape) == ((39, 32), (36, 7))
    environment = make_environment(task, folder)
    assert isinstance(environment, RobomimicEnvironment)
    assert type(environment._simulator).__name__ == "Stack"
    assert environment.reset(0).shape == (32,)
    assert environment.step(np.zeros(7))[1:] == (-1, False, False, False)
    environment._simulator._check_success = lambda: True
    assert environment.step(np.zeros(7))[1:] == (0, True, False, True)


def empty(file: h5py.File) -> None:
    """As an aborted recording leaves a demonstration."""
    group = file["data/demo_1"]
    group.attrs["num_samples"] = 0
    for name in ("actions", "rewards"):
        shape = group[name].shape[1:]
        del group[name]
        group[name] = np.zeros((0, *shape))


def test_demonstrations_without_steps_are_told_of(
    study: Studies, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = study(empty)
    provide_dataset(mine, "mine", tmp_path, 1)
    told = capsys.readouterr().err
    assert "1 demonstrations without steps are passed over, the first is demo_1" in told
    assert "mine: 2 demonstrations, 24 steps" in told


def test_other_observations_and_a_mask(study: Studies, tmp_path: Path) -> None:
    keys = ["object", "robot0_joint_vel", "robot0_joint_pos"]
    mine = study(observations=keys, mask="train")
    provide_dataset(mine, "mine", tmp_path, 1)
    folder, task = dataset_folder(mine, "mine", tmp_path), mine.task("mine")
    read = load_transitions(folder, task)
    assert (read.observations.shape, read.terminals.sum()) == ((26, 23 + 7 + 7), 2)
    with h5py.File(tmp_path / "mine.hdf5") as file:
        first = np.concatenate([file[f"data/demo_0/obs/{key}"][0] for key in keys])
    np.testing.assert_array_equal(read.observations[0], np.float32(first))
    environment = make_environment(task, folder)
    assert isinstance(environment, RobomimicEnvironment)
    assert len(environment.reset(0)) == environment.observation_size == 37
    other = study(observations=keys)
    assert len({make_run(one, "mine", 0, "pretrain-full").identity for one in (mine, other)}) == 2


def test_a_card_tells_the_task_again(study: Studies, tmp_path: Path) -> None:
    mine = study(observations=["object"])
    settings = {"name": "mine", **mine.datasets["mine"].model_dump()}
    values = {"task": "mine", "task_settings": mine.task("mine").settings.model_dump()}
    card = Card(
        **dict.fromkeys(field.name for field in fields(Card)) | values | {"dataset": settings}
    )
    assert task_of(tmp_path, card).reading.observations == ["object"]


def test_settings_that_do_not_fit_the_file(study: Studies, tmp_path: Path) -> None:
    told = refused(study(observations=["object", "nose"]), tmp_path)
    assert "obs/nose is missing; there are object, robot0_" in told
    assert "/mask/best is missing" in refused(study(mask="best"), tmp_path)


def widen(file: h5py.File) -> None:
    for demonstration in file["data"].values():
        for part in ("obs", "next_obs"):
            demonstration[f"{part}/nose"] = np.zeros((12, 2))


def shuffle(file: h5py.File) -> None:
    for part in ("obs", "next_obs"):
        array = file[f"data/demo_0/{part}/object"]
        array[...] = np.roll(array[()], 7, axis=1)


def narrow(file: h5py.File) -> None:
    for demonstration in file["data"].values():
        actions = demonstration["actions"][:, :6]
        del demonstration["actions"]
        demonstration["actions"] = actions


def declare(**changes: object) -> Change:
    """Another env_args."""

    def change(file: h5py.File) -> None:
        env_args = json.loads(file["data"].attrs["env_args"]) | changes
        file["data"].attrs["env_args"] = json.dumps(env_args)

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (shuffle, "/data/demo_0/obs/object differs from the simulator by"),
        (narrow, "/data/demo_0/actions has 6 numbers per step, but the simulator"),
        (declare(env_name="Juggle"), "cannot make 'Juggle'"),
        (declare(type=2), "env_args have type 2, allowed is 1"),
        (lambda file: file.__delitem__("data/demo_0/states"), "/states is missing"),
        (lambda file: file["mask/train"].__setitem__(0, b"demo_9"), "lists demo_9, which /data"),
    ],
)
def test_files_that_are_refused(
    study: Studies, tmp_path: Path, change: Change, reason: str
) -> None:
    assert reason in refused(study(change, mask="train" if "demo_9" in reason else None), tmp_path)


def test_an_observation_that_the_simulator_does_not_show(study: Studies, tmp_path: Path) -> None:
    told = refused(study(widen, observations=["object", "nose"]), tmp_path)
    assert "robosuite's Stack shows no 'nose'; allowed are robot0_joint_pos" in told


def test_a_cut_off_file_and_a_missing_one(study: Studies, tmp_path: Path) -> None:
    mine, path = study(), tmp_path / "mine.hdf5"
    path.write_bytes(path.read_bytes()[:-500])
    assert "damaged, cut off" in refused(mine, tmp_path)
    path.unlink()
    told = refused(mine, tmp_path)
    assert "no file" in told
    assert str(path) in told
    (finding,) = source_findings(mine, tmp_path)
    assert (finding.mark, finding.subject) == ("FAIL", "data set mine")
    assert bytes_to_come(mine, tmp_path) == 0
    settings = tmp_path / "settings.json"
    settings.write_text(mine.model_dump_json())
    shown = CliRunner().invoke(app, ["status", "--settings", str(settings)])
    assert shown.exit_code == 0
    assert "datasets.mine.path: no file" in shown.stderr


@pytest.mark.slow
def test_plan_and_doctor_look_at_the_file(study: Studies, tmp_path: Path) -> None:
    mine = study()
    folder = tmp_path / "planned"
    folder.mkdir()
    sizes = prepare_simulator(mine.task("mine"), mine.datasets["mine"], folder)
    assert sizes == Sizes(32, 7, None)
    (finding,) = simulator_findings(mine)
    assert (finding.mark, finding.subject) == ("ok", "simulator of mine")


def test_a_kind_of_source_may_be_laid_over_another(root: Path, tmp_path: Path) -> None:
    overlays = [tmp_path / name for name in ("file.yaml", "scripted.yaml")]
    overlays[0].write_text("datasets: {pointmaze-medium-navigate-v0: {source: file, path: x}}")
    overlays[1].write_text("datasets: {pointmaze-medium-navigate-v0: {source: scripted}}")
    name = "pointmaze-medium-navigate-v0"
    plain = load_study(root / "config.yaml")
    own = load_study(root / "config.yaml", overlays[0]).datasets[name]
    assert own.model_dump()["path"] == "x"
    assert load_study(root / "config.yaml", *overlays).datasets == plain.datasets


def test_rewards_of_one_task_are_not_given_to_two(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset, path = "pointmaze-medium-navigate-v0", tmp_path / "mine.npz"
    sizes = {"episodes": 2, "validation_episodes": 1, "episode_length": 8, "seed": 0}
    generate_dataset(dataset, RandomData(source="random", **sizes), tmp_path, processes=1)
    with np.load(tmp_path / f"{dataset}.npz") as file:
        arrays = dict(file)
    rows = len(arrays["observations"])
    np.savez(path, **arrays, rewards=-np.ones(rows), masks=np.ones(rows))
    overlay = tmp_path / "overlay.yaml"
    settings = json.dumps({dataset: {"source": "file", "path": str(path)}})
    overlay.write_text(f"datasets: {settings}\n")
    study = load_study(root / "config.yaml", overlay)
    told = refusal(provide_dataset, study, dataset, tmp_path / "results", 1)
    assert "its own rewards, which fit one task, but " in told
    assert "task2" in told
    one = study.model_copy(update={"tasks": study.tasks[:1]})
    provide_dataset(one, dataset, tmp_path / "results", 1)
    told = capsys.readouterr().err
    assert "2 episodes, 16 steps, 0 of them" in told
    assert "no success" in told
    assert "of the file's own" not in told
    folder = dataset_folder(study, dataset, tmp_path / "results")
    manifest = check_dataset(folder, dataset)
    refuse_other_data(one, dataset, manifest, folder)
    for tasks in (study.tasks, study.tasks[1:]):  # the same folder, which is there already
        other = study.model_copy(update={"tasks": tasks})
        assert dataset_folder(other, dataset, tmp_path / "results") == folder
        told = refusal(refuse_other_data, other, dataset, manifest, folder)
        assert study.tasks[1] in told
    np.savez(path, **arrays, rewards=np.append(0, -np.ones(rows - 1)), masks=np.arange(rows) > 0)
    provide_dataset(one, dataset, tmp_path / "results", 1)
    assert "1 of the file's own are not those" in capsys.readouterr().err
