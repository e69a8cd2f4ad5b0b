"""Interrupted runs: they end as if nothing had happened, or say in one line why not."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fmq.configuration import load_study
from fmq.data.generate import generate_dataset
from fmq.errors import Preempted, UserError
from fmq.paths import dataset_folder, run_folder, settings_file
from fmq.runs import make_run, settings_hash
from fmq.settings import Study, find_dataset
from fmq.training.checkpoint import load_checkpoint
from fmq.training.offline import train_offline
from fmq.training.online import finetune
from fmq.training.scratch import open_scratch
from fmq.training.transition_log import TransitionLog
from fmq.training.workbench import Workbench

ROOT = Path(__file__).parents[2]
DATASET = "pointmaze-medium-navigate-v0"
TASK = "pointmaze-medium-navigate-singletask-task4-v0"
STAGES = ("pretrain-warmup", "distill-esd", "finetune-fmq", "finetune-mvp-no-new-data")


class Interruption(BaseException):
    """As good as a kill: nothing of ours catches it, and only what is on disk survives."""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The smoke study; progress is kept after every step, and episodes end on the way."""
    overlay = tmp_path_factory.mktemp("settings") / "overlay.yaml"
    overlay.write_text("checkpoint_seconds: 1.0e-9\ntask_defaults: {episode_limit: 23}\n")
    return load_study(ROOT / "config.yaml", ROOT / "config" / "smoke.yaml", overlay)


def train(study: Study, name: str, results: Path) -> None:
    run = make_run(study, TASK, 0, name)
    (finetune if run.stage == "finetune" else train_offline)(run, results)


@pytest.fixture(scope="module")
def undisturbed(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("undisturbed")
    generate_dataset(DATASET, find_dataset(study, DATASET), dataset_folder(results, DATASET), 1)
    for name in STAGES:
        train(study, name, results)
    return results


@pytest.fixture
def results(undisturbed: Path, tmp_path: Path) -> Path:
    """A results folder with the data and the runs that others start from."""
    folder = tmp_path / "results"
    for name in ("datasets", *(f"runs/{TASK}/seed0/{run}" for run in STAGES[:2])):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(undisturbed / name)
    return folder


def outputs(results: Path, name: str) -> list[bytes]:
    folder = run_folder(results, TASK, 0, name)
    return [(folder / file).read_bytes() for file in ("checkpoint.pt", "evaluations.csv")]


def interrupt(monkeypatch: pytest.MonkeyPatch, calls: int, deed: Callable[[], None]) -> None:
    """Do `deed` in the middle of the update number `calls`."""
    update, count = Workbench.update, 0

    def counted(self: Workbench, *arguments: Any) -> dict[str, float]:
        nonlocal count
        count += 1
        measured = update(self, *arguments)
        if count == calls:
            deed()
        return measured

    monkeypatch.setattr(Workbench, "update", counted)


def die() -> None:
    raise Interruption


def ask_to_stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("calls", [1, 4, 9])
def test_a_killed_run_ends_as_if_it_had_never_stopped(
    study: Study, undisturbed: Path, results: Path, name: str, calls: int
) -> None:
    target = run_folder(results, TASK, 0, name)
    if target.is_symlink():
        target.unlink()
    for _ in range(2):
        with pytest.MonkeyPatch.context() as patch:
            interrupt(patch, calls, die)
            try:
                train(study, name, results)
            except Interruption:
                assert not (target / "checkpoint.pt").exists()
    train(study, name, results)
    assert outputs(results, name) == outputs(undisturbed, name)
    assert not list((results / "scratch").rglob("*.pt"))


@pytest.mark.parametrize("name", ["pretrain-warmup", "finetune-fmq"])
def test_sigterm_keeps_progress_at_once(
    study: Study, undisturbed: Path, results: Path, name: str
) -> None:
    seldom = study.model_copy(update={"checkpoint_seconds": 1e6})
    target = run_folder(results, TASK, 0, name)
    if target.is_symlink():
        target.unlink()
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, 5, ask_to_stop)
        with pytest.raises(Preempted):
            train(seldom, name, results)
    assert len(list((results / "scratch").rglob("progress.pt"))) == 1
    train(seldom, name, results)
    assert outputs(results, name) == outputs(undisturbed, name)


def test_a_stopped_command_has_an_exit_code_of_its_own(
    study: Study, undisturbed: Path, results: Path
) -> None:
    longer = study.model_copy(update={"online": study.online.model_copy(update={"steps": 10**6})})
    settings_file(results).write_text(longer.model_dump_json())
    command = ["finetune", TASK, "--seed", "0", "--method", "fmq", "--results", str(results)]
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("fmq")), *command], stderr=subprocess.PIPE, text=True
    )
    scratch = results / "scratch"
    while not list(scratch.rglob("progress.pt")):
        assert process.poll() is None, process.stderr and process.stderr.read()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 75
    assert errors.splitlines()[-1] == "fmq: stopped as asked; the same command goes on from here"


def test_a_second_writer_is_refused_with_the_owner_named(study: Study, results: Path) -> None:
    run = make_run(study, TASK, 0, "finetune-fmq")
    with (
        open_scratch(run, results),
        pytest.raises(UserError, match=rf"process {os.getpid()} on .* works on this run"),
    ):
        finetune(run, results)


def test_the_lock_of_a_dead_process_is_taken_over(study: Study, results: Path) -> None:
    run = make_run(study, TASK, 0, "finetune-fmq")
    with open_scratch(run, results) as scratch:
        folder = scratch.folder
    folder.mkdir(parents=True)
    script = (
        "import sys, os; from filelock import FileLock; "
        f"FileLock({str(folder / 'lock')!r}).acquire(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    (folder / "owner.json").write_text(json.dumps({"host": "gone", "pid": 1}))
    with open_scratch(run, results):
        assert json.loads((folder / "owner.json").read_text())["pid"] == os.getpid()


def test_a_run_does_not_go_on_with_other_data(study: Study, results: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, 5, die)
        with pytest.raises(Interruption):
            train(study, "finetune-fmq", results)
    (results / "datasets").unlink()
    other = find_dataset(study, DATASET).model_copy(update={"seed": 9})
    generate_dataset(DATASET, other, dataset_folder(results, DATASET), 1)
    with pytest.raises(UserError, match=r"not the files that .* began with"):
        train(study, "finetune-fmq", results)


def test_transitions_after_the_last_progress_are_cut_off(tmp_path: Path) -> None:
    log = TransitionLog(tmp_path / "log.bin", 2, 1)
    for value in range(5):
        log.add(np.full(2, value), np.full(1, value), value, 1.0, False, np.full(2, value + 1))
        if value in (2, 4):
            log.flush()
    kept = TransitionLog(tmp_path / "log.bin", 2, 1).restore(3)
    assert kept["reward"].tolist() == [0, 1, 2]
    assert (tmp_path / "log.bin").stat().st_size == 3 * kept.itemsize


def test_divergence_is_named_and_the_last_good_progress_stays(study: Study, results: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        update = Workbench.update

        def spoiled(self: Workbench, step: int, *arguments: Any) -> dict[str, float]:
            if step >= study.offline.steps + 3:
                self.buffer.rewards[:] = float("inf")
            return update(self, step, *arguments)

        patch.setattr(Workbench, "update", spoiled)
        with pytest.raises(UserError, match=r"critic loss is (inf|nan) at gradient step 43"):
            train(study, "finetune-fmq", results)
    (progress,) = (results / "scratch").rglob("progress.pt")
    assert (progress.parent / "diverged.pt").exists()
    assert not (run_folder(results, TASK, 0, "finetune-fmq") / "checkpoint.pt").exists()


def test_values_beyond_what_rewards_allow_stop_the_run(study: Study, results: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        update = Workbench.update

        def inflated(self: Workbench, *arguments: Any) -> dict[str, float]:
            for parameter in self.learner.critic.parameters():
                parameter.data.mul_(2)
            return update(self, *arguments)

        patch.setattr(Workbench, "update", inflated)
        with pytest.raises(UserError, match=r"Q is .*far outside of what the rewards allow, -100"):
            train(study, "finetune-fmq", results)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here: that takes root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_keeps_the_last_progress_and_the_run_goes_on_when_there_is_room(
    study: Study, undisturbed: Path, results: Path, small_disk: Path
) -> None:
    (results / "scratch").symlink_to(small_disk)
    filler = small_disk / "filler"

    def fill() -> None:
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, 6, fill)
        with pytest.raises(UserError, match="progress cannot be kept: No space left") as error:
            train(study, "finetune-fmq", results)
    assert "\n" not in str(error.value)
    (progress,) = small_disk.rglob("progress.pt")
    digest = settings_hash(make_run(study, TASK, 0, "finetune-fmq").settings())
    assert load_checkpoint(progress, digest, torch.device("cpu"))["step"] > 0
    assert [file.name for file in small_disk.rglob(".*")] == []
    filler.unlink()
    train(study, "finetune-fmq", results)
    assert outputs(results, "finetune-fmq") == outputs(undisturbed, "finetune-fmq")


def test_a_folder_that_cannot_be_written_is_named_at_once(study: Study, results: Path) -> None:
    (results / "scratch").symlink_to("/proc")  # which not even root can write to
    with pytest.raises(UserError, match=r"scratch/.*: cannot be written") as error:
        train(study, "finetune-fmq", results)
    assert "\n" not in str(error.value)


def test_a_log_that_is_too_short_is_not_filled_up(tmp_path: Path) -> None:
    log = TransitionLog(tmp_path / "log.bin", 2, 1)
    log.add(np.ones(2), np.ones(1), 1.0, 1.0, False, np.ones(2))
    log.flush()
    assert len(TransitionLog(tmp_path / "log.bin", 2, 1).restore(5)) == 1
