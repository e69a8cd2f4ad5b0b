"""Reasons to stop a run: a second writer, other data, divergence, a full disk; nothing is lost."""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from fmq.acting.checkpoint import load_checkpoint, save_checkpoint
from fmq.base.errors import UserError
from fmq.config.study import Study, find_dataset
from fmq.data.generate import generate_dataset
from fmq.data.manifest import read_manifest, write_manifest
from fmq.envs.environment import Transition
from fmq.envs.ogbench import OGBenchEnvironment
from fmq.pipeline.paths import dataset_folder, settings_file
from fmq.training.scratch import open_scratch
from fmq.training.session import Session

NAME = "finetune-fmq"


def refusal(disturbance, study: Study, results: Path, name: str = NAME) -> str:
    """Return the line with which a run is refused."""
    with pytest.raises(UserError) as error:
        disturbance.train(study, name, results)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_second_writer_is_refused_with_the_owner_named(
    disturbance, smoke: Study, results: Path
) -> None:
    with open_scratch([disturbance.run(smoke, NAME)], results):
        told = refusal(disturbance, smoke, results)
    assert f"process {os.getpid()} on " in told
    assert "is working on this run" in told


def test_the_lock_of_a_dead_process_is_taken_over(disturbance, smoke: Study, results: Path) -> None:
    run = disturbance.run(smoke, NAME)
    with open_scratch([run], results) as scratch:
        folder = scratch.folder.parent
    script = (
        "import sys, os; from filelock import FileLock; "
        f"FileLock({str(folder / 'lock')!r}).acquire(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    (folder / "owner.json").write_text(json.dumps({"host": "gone", "pid": 1}))
    with open_scratch([run], results):
        assert json.loads((folder / "owner.json").read_text())["pid"] == os.getpid()


def test_what_killed_writers_left_is_swept_away(disturbance, smoke: Study, results: Path) -> None:
    left = disturbance.folder(results, NAME) / f".checkpoint-{'0' * 32}.pt"
    left.parent.mkdir(parents=True)
    left.touch()
    with open_scratch([disturbance.run(smoke, NAME)], results):
        assert not left.exists()


def other_data(study: Study, results: Path, dataset: str, keep_settings: bool = True) -> None:
    """Replace a data set's file by other bytes, as another version of a simulator makes them."""
    (results / "datasets").unlink()
    settings = find_dataset(study, dataset).model_copy(update={"seed": 9})
    folder = dataset_folder(study, dataset, results)
    generate_dataset(dataset, settings, folder, 1)
    if not keep_settings:
        return
    manifest = read_manifest(folder)
    write_manifest(folder, manifest | {"settings": find_dataset(study, dataset).model_dump()})


def test_a_run_does_not_go_on_with_other_data(disturbance, smoke: Study, results: Path) -> None:
    name = "pretrain-warmup"
    disturbance.folder(results, name).unlink()
    with pytest.MonkeyPatch.context() as patch:
        disturbance.at_call(patch, 5, disturbance.die)
        with pytest.raises(disturbance.interruption):
            disturbance.train(smoke, name, results)
    other_data(smoke, results, disturbance.dataset)
    told = refusal(disturbance, smoke, results, name)
    assert "not the files that pretrain-warmup" in told


def test_a_run_does_not_start_from_one_on_other_data(
    disturbance, smoke: Study, results: Path
) -> None:
    other_data(smoke, results, disturbance.dataset)
    told = refusal(disturbance, smoke, results)
    assert f"{disturbance.folder(results, 'distill-esd')}/checkpoint.pt: learned from" in told


def test_a_folder_with_the_name_of_another_data_set_is_refused(
    disturbance, smoke: Study, results: Path
) -> None:
    other_data(smoke, results, disturbance.dataset, keep_settings=False)
    told = refusal(disturbance, smoke, results)
    assert str(dataset_folder(smoke, disturbance.dataset, results)) in told
    assert "holds another data set" in told


def test_a_checkpoint_without_a_part_is_told_with_its_file(
    disturbance, smoke: Study, results: Path
) -> None:
    run = disturbance.run(smoke, "distill-esd")
    path = disturbance.folder(results, "distill-esd")
    content = load_checkpoint(path / "checkpoint.pt", run.digest, torch.device("cpu"))
    provenance = (path / "provenance.json").read_text()
    path.unlink()
    del content["target"]
    save_checkpoint(path / "checkpoint.pt", run.digest, content)
    (path / "provenance.json").write_text(provenance)
    told = refusal(disturbance, smoke, results)
    assert f"{path}/checkpoint.pt: does not fit the run" in told


def test_a_run_of_other_settings_goes_on_beside_an_unfinished_one(
    disturbance, smoke: Study, undisturbed: Path, results: Path
) -> None:
    other = smoke.model_copy(update={"fmq": smoke.fmq.model_copy(update={"eta": 0.5})})
    for study in (smoke, other):
        with pytest.MonkeyPatch.context() as patch:
            disturbance.at_call(patch, 5, disturbance.die)
            with pytest.raises(disturbance.interruption):
                disturbance.train(study, NAME, results)
    assert len(list((results / "scratch").rglob("progress.pt"))) == 2
    with open_scratch([disturbance.run(other, NAME)], results):
        disturbance.train(smoke, NAME, results)
    assert disturbance.outputs(results, NAME) == disturbance.outputs(undisturbed, NAME)


def test_divergence_is_named_and_the_last_good_progress_stays(
    disturbance, smoke: Study, results: Path
) -> None:
    update = Session.update

    def spoiled(self: Session, step: int, measure: bool) -> list[dict[str, float]]:
        if step >= smoke.offline.steps + 3:
            self.first.buffer.rewards[:] = float("inf")
        return update(self, step, measure)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "update", spoiled)
        told = refusal(disturbance, smoke, results)
    assert re.search(r"critic loss is (inf|nan) at gradient step 43", told)
    (progress,) = (results / "scratch").rglob("progress.pt")
    batch = torch.load(progress.parent / "diverged.pt", weights_only=True)["content"]
    assert batch["rewards"].isinf().all()
    assert not (disturbance.folder(results, NAME) / "checkpoint.pt").exists()


def test_values_beyond_what_rewards_allow_stop_the_run(
    disturbance, smoke: Study, results: Path
) -> None:
    """The run stops with the next update, not only where metrics are written."""
    seldom = smoke.model_copy(update={"checkpoint_seconds": 1e6})
    update, seen = Session.update, []

    def inflated(self: Session, step: int, measure: bool) -> list[dict[str, float]]:
        if len(seen) == 4:
            vectors = self.updater.vectors
            vectors.weights[-len(vectors.target) :] *= 1e3
        seen.append(step)
        return update(self, step, measure)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "update", inflated)
        told = refusal(disturbance, seldom, results)
    assert "far outside of what the rewards allow, -100 to 0" in told
    assert f"at gradient step {seen[4]}" in told
    assert len(seen) == 6
    assert not {step for step in seen[4:] if step % smoke.training.log_every == 0}


@pytest.mark.parametrize("quantity", ["a reward of nan", "an observation that is not finite"])
def test_a_simulator_that_becomes_unstable_is_named(
    disturbance, smoke: Study, undisturbed: Path, results: Path, quantity: str
) -> None:
    step, count = OGBenchEnvironment.step, 0

    def unstable(self: OGBenchEnvironment, action: np.ndarray) -> Transition:
        nonlocal count
        count += 1
        result = step(self, action)
        if count < 10:
            return result
        if "reward" in quantity:
            return result._replace(reward=float("nan"))
        return result._replace(observation=np.full_like(result.observation, np.inf))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OGBenchEnvironment, "step", unstable)
        told = refusal(disturbance, smoke, results)
    assert f"{quantity} at environment step 10, in episode 1" in told
    disturbance.train(smoke, NAME, results)
    assert disturbance.outputs(results, NAME) == disturbance.outputs(undisturbed, NAME)


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


def fill(disk: Path) -> Path:
    """Write a file that takes up the whole disk."""
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return filler


def test_a_full_disk_keeps_the_last_progress_and_the_run_goes_on_when_there_is_room(
    disturbance, smoke: Study, undisturbed: Path, results: Path, small_disk: Path
) -> None:
    (results / "scratch").symlink_to(small_disk)
    with pytest.MonkeyPatch.context() as patch:
        disturbance.at_call(patch, 6, lambda: fill(small_disk))
        assert "progress cannot be kept: No space left" in refusal(disturbance, smoke, results)
    (progress,) = small_disk.rglob("progress.pt")
    digest = disturbance.run(smoke, NAME).digest
    assert load_checkpoint(progress, digest, torch.device("cpu"))["runs"][0]["step"] > 0
    assert [file.name for file in small_disk.rglob(".*")] == []
    (small_disk / "filler").unlink()
    disturbance.train(smoke, NAME, results)
    assert disturbance.outputs(results, NAME) == disturbance.outputs(undisturbed, NAME)


@pytest.mark.slow
def test_outputs_that_find_no_room_are_one_line_and_cost_no_work(
    disturbance, smoke: Study, undisturbed: Path, results: Path, small_disk: Path
) -> None:
    folder = disturbance.folder(results, NAME)
    folder.symlink_to(small_disk)
    filler = fill(small_disk)
    settings_file(results).write_text(smoke.model_dump_json())
    task = disturbance.run(smoke, NAME).task.name
    command = [str(Path(sys.executable).with_name("fmq")), "finetune", task, "--seed", "0"]
    command += ["--method", "fmq", "--results", str(results)]
    full = subprocess.run(command, capture_output=True, text=True, check=False)
    assert full.returncode == 2
    last = full.stderr.splitlines()[-1]
    assert last.startswith("fmq: ")
    assert "No space left on device" in last
    assert "Traceback" not in full.stderr
    assert [file.name for file in small_disk.iterdir()] == ["filler"]
    filler.unlink()
    with pytest.MonkeyPatch.context() as patch:
        disturbance.at_call(patch, 1, lambda: pytest.fail("work was done again"))
        disturbance.train(smoke, NAME, results)
    assert disturbance.outputs(results, NAME) == disturbance.outputs(undisturbed, NAME)


def test_a_folder_that_cannot_be_written_is_named_at_once(
    disturbance, smoke: Study, results: Path
) -> None:
    (results / "scratch").symlink_to("/proc")  # not even root can write there
    told = refusal(disturbance, smoke, results)
    assert "scratch/" in told
    assert ": cannot be written" in told
