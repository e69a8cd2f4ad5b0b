"""Trackers show what the run records, change none of it, and never stop it."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fmq.base.errors import UserError
from fmq.base.messages import NOTICE
from fmq.config.reading import study_from_dict
from fmq.config.study import Study
from fmq.pipeline.studies import study_identity
from fmq.training.trackers import make_tracker

NAME = "finetune-fmq"

WANDB = '''
"""A module of W&B's name that writes down what it is told."""
import json, pathlib

class Settings:
    def __init__(self, **values): pass

class Session:
    def __init__(self, folder): self.file = pathlib.Path(folder) / "told.jsonl"
    def define_metric(self, *names, **options): pass
    def log(self, row):
        with self.file.open("a") as file:
            file.write(json.dumps(row) + "\\n")

ACTIVE = []

def init(*, dir, reinit=None, **options):
    if reinit == "create_new" or not ACTIVE:
        ACTIVE.append(Session(dir))
    return ACTIVE[-1]
'''


def tracked(study: Study, tracker: str) -> Study:
    return study_from_dict(study.model_dump() | {"tracker": tracker}, "test")


def events(results: Path) -> dict[str, list[tuple[int, float]]]:
    """Return (step, value) of every scalar in every event file, in the order of writing."""
    found: dict[str, list[tuple[int, float]]] = {}
    for file in sorted((results / "trackers").rglob("events.out.*")):
        read = EventAccumulator(str(file), size_guidance={"scalars": 0})
        read.Reload()
        for tag in read.Tags()["scalars"]:
            found.setdefault(tag, []).extend((one.step, one.value) for one in read.Scalars(tag))
    return found


def expected(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return the scalars that should be sent, from the run's own CSV files."""
    metrics = pd.read_csv(folder / "metrics.csv")
    told = {
        f"metrics/{name}": list(zip(metrics.step, metrics[name], strict=True))
        for name in metrics.columns.drop("step")
    }
    files = (folder / name for name in ("evaluations.csv", "last_evaluation.csv"))
    means = pd.concat(map(pd.read_csv, files)).groupby("step")[["success", "return", "length"]]
    for name, column in means.mean().items():
        told[f"evaluation/{name}"] = list(column.items())
    return told


def assert_same(found: dict, wanted: dict) -> None:
    assert found.keys() == wanted.keys()
    for name, rows in wanted.items():
        assert [step for step, _ in found[name]] == [step for step, _ in rows], name
        values = [value for _, value in rows]
        assert [value for _, value in found[name]] == pytest.approx(values, rel=1e-6), name


def test_tensorboard_is_told_the_rows_and_the_run_is_the_same(
    disturbance, smoke: Study, undisturbed: Path, results: Path
) -> None:
    disturbance.train(tracked(smoke, "tensorboard"), NAME, results)
    assert disturbance.outputs(results, NAME) == disturbance.outputs(undisturbed, NAME)
    assert_same(events(results), expected(disturbance.folder(results, NAME)))


@pytest.mark.parametrize("seconds", [1e-9, 1e6])
def test_a_run_that_goes_on_tells_nothing_twice(
    disturbance, smoke: Study, undisturbed: Path, results: Path, seconds: float
) -> None:
    """This holds even for steps that are repeated because progress was saved before them."""
    study = tracked(smoke, "tensorboard").model_copy(update={"checkpoint_seconds": seconds})
    for calls in (7, 9):
        with pytest.MonkeyPatch.context() as patch:
            disturbance.at_call(patch, calls, disturbance.die)
            with pytest.raises(disturbance.interruption):
                disturbance.train(study, NAME, results)
    disturbance.train(study, NAME, results)
    assert disturbance.outputs(results, NAME) == disturbance.outputs(undisturbed, NAME)
    steps = {
        name: [step for step, _ in rows]
        for name, rows in expected(disturbance.folder(results, NAME)).items()
    }
    assert {name: [step for step, _ in rows] for name, rows in events(results).items()} == steps


def test_rows_that_an_earlier_process_had_no_tracker_for_are_told(
    disturbance, smoke: Study, results: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        disturbance.at_call(patch, 12, disturbance.die)
        with pytest.raises(disturbance.interruption):
            disturbance.train(smoke, NAME, results)
    disturbance.train(tracked(smoke, "tensorboard"), NAME, results)
    assert_same(events(results), expected(disturbance.folder(results, NAME)))


def test_a_tracker_that_fails_is_reported_once_and_the_run_goes_on(
    disturbance, smoke: Study, undisturbed: Path, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = 0

    def broken(*_: object) -> None:
        nonlocal calls
        calls += 1
        raise ConnectionError("the server\nis gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.utils.tensorboard.SummaryWriter.add_scalar", broken)
        disturbance.train(tracked(smoke, "tensorboard"), NAME, results)
    assert disturbance.outputs(results, NAME) == disturbance.outputs(undisturbed, NAME)
    lines = [line for line in capsys.readouterr().err.splitlines() if "tracker" in line]
    told = "ConnectionError: the server\\nis gone"
    assert lines == [f"{NOTICE}tracker gave up, training goes on: {told}"]
    assert calls == 1


def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(
    disturbance, smoke: Study, undisturbed: Path, results: Path
) -> None:
    (results / "trackers").write_text("a file in the way")
    disturbance.train(tracked(smoke, "tensorboard"), NAME, results)
    assert disturbance.outputs(results, NAME) == disturbance.outputs(undisturbed, NAME)


@pytest.fixture
def _wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "wandb.py").write_text(WANDB)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    importlib.invalidate_caches()
    yield
    monkeypatch.delitem(sys.modules, "wandb")


def told_to_wandb(file: Path) -> dict[str, list[tuple[int, float]]]:
    """Return what wandb was sent, in the form of `events`."""
    found: dict[str, list[tuple[int, float]]] = {}
    for row in map(json.loads, file.read_text().splitlines()):
        for name in row.keys() - {"step"}:
            found.setdefault(name, []).append((row["step"], row[name]))
    return found


@pytest.mark.usefixtures("_wandb")
def test_wandb_is_told_the_rows(
    disturbance, smoke: Study, undisturbed: Path, results: Path
) -> None:
    disturbance.train(tracked(smoke, "wandb"), NAME, results)
    assert disturbance.outputs(results, NAME) == disturbance.outputs(undisturbed, NAME)
    (file,) = (results / "trackers").rglob("told.jsonl")
    assert_same(told_to_wandb(file), expected(disturbance.folder(results, NAME)))


@pytest.mark.usefixtures("_wandb")
@pytest.mark.slow
def test_wandb_is_told_the_rows_of_each_seed_apart(
    disturbance, smoke: Study, results: Path
) -> None:
    """By default, wandb has one run per process."""
    name = "pretrain-full"
    disturbance.train(tracked(smoke, "wandb"), name, results, [0, 1])
    files = sorted((results / "trackers").rglob("told.jsonl"))
    for seed, file in zip((0, 1), files, strict=True):
        assert_same(told_to_wandb(file), expected(disturbance.folder(results, name, seed)))


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_missing_package_is_refused_before_training(
    disturbance, smoke: Study, results: Path, name: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda _: None)
        patch.setattr("fmq.training.session.claim_device", lambda _: pytest.fail("it waited"))
        with pytest.raises(UserError, match=f"^tracker: {name} is not.*pip install {name}"):
            disturbance.train(tracked(smoke, name), NAME, results)


def test_a_tracker_shapes_no_run_and_no_table(disturbance, smoke: Study, tmp_path: Path) -> None:
    study = tracked(smoke, "tensorboard")
    assert make_tracker(disturbance.run(smoke, NAME), tmp_path) is None
    assert disturbance.run(study, NAME).digest == disturbance.run(smoke, NAME).digest
    assert study_identity(study, tmp_path) == study_identity(smoke, tmp_path)
