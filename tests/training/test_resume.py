"""Interrupted runs end as if nothing had happened."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fmq.acting.evaluation import Evaluator
from fmq.base.errors import Preempted, UserError
from fmq.config.study import Study
from fmq.pipeline.paths import settings_file
from fmq.training.collector import Collector
from fmq.training.scratch import Scratch
from fmq.training.transition_log import TransitionLog
from fmq.training.workbench import Workbench

STAGES = ("pretrain-warmup", "distill-esd", "finetune-fmq", "finetune-mvp-no-new-data")


def clear(disturbance, results: Path, name: str) -> Path:
    """Return the folder of a run that has not been made yet."""
    target = disturbance.folder(results, name)
    if target.is_symlink():
        target.unlink()
    return target


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("calls", [1, 4])
def test_a_killed_run_ends_as_if_it_had_never_stopped(
    disturbance, smoke: Study, undisturbed: Path, results: Path, name: str, calls: int
) -> None:
    target = clear(disturbance, results, name)
    for _ in range(2):
        with pytest.MonkeyPatch.context() as patch:
            disturbance.at_call(patch, calls, disturbance.die)
            with pytest.raises(disturbance.interruption):
                disturbance.train(smoke, name, results)
        assert not (target / "checkpoint.pt").exists()
    disturbance.train(smoke, name, results)
    assert disturbance.outputs(results, name) == disturbance.outputs(undisturbed, name)
    assert not list((results / "scratch").rglob("*.pt"))


@pytest.mark.parametrize("steps", [1, 2])
def test_a_run_that_is_killed_after_its_first_transitions_resumes(
    disturbance, smoke: Study, undisturbed: Path, results: Path, steps: int
) -> None:
    """One transition is special: numpy takes a column of one row for contiguous, torch does not."""
    with pytest.MonkeyPatch.context() as patch:
        disturbance.at_call(patch, steps + 1, disturbance.die, "step", Collector)
        with pytest.raises(disturbance.interruption):
            disturbance.train(smoke, "finetune-fmq", results)
    disturbance.train(smoke, "finetune-fmq", results)
    same = disturbance.outputs(undisturbed, "finetune-fmq")
    assert disturbance.outputs(results, "finetune-fmq") == same


@pytest.mark.parametrize("name", ["distill-esd", "finetune-fmq"])
def test_a_run_that_is_killed_after_an_evaluation_resumes(
    disturbance, smoke: Study, undisturbed: Path, results: Path, name: str
) -> None:
    """Progress is saved before an evaluation, however seldom it is saved otherwise."""
    seldom = smoke.model_copy(update={"checkpoint_seconds": 1e6})
    clear(disturbance, results, name)
    with pytest.MonkeyPatch.context() as patch:
        disturbance.at_call(patch, 1, disturbance.die, "evaluate")
        with pytest.raises(disturbance.interruption):
            disturbance.train(seldom, name, results)
    assert len(list((results / "scratch").rglob("progress.pt"))) == 1
    disturbance.train(seldom, name, results)
    assert disturbance.outputs(results, name) == disturbance.outputs(undisturbed, name)


@pytest.mark.parametrize("writer", ["write_json", "write_evaluation", "save_checkpoint"])
def test_a_run_that_is_killed_while_it_writes_its_outputs_makes_no_update_again(
    disturbance, smoke: Study, undisturbed: Path, results: Path, writer: str
) -> None:
    seldom = smoke.model_copy(update={"checkpoint_seconds": 1e6})

    def interrupted(*arguments: object) -> None:
        raise disturbance.interruption

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"fmq.training.outputs.{writer}", interrupted)
        with pytest.raises(disturbance.interruption):
            disturbance.train(seldom, "finetune-fmq", results)
    with pytest.MonkeyPatch.context() as patch:
        disturbance.at_call(patch, 1, lambda: pytest.fail("work was done again"))
        disturbance.train(seldom, "finetune-fmq", results)
    same = disturbance.outputs(undisturbed, "finetune-fmq")
    assert disturbance.outputs(results, "finetune-fmq") == same


def test_a_run_that_is_killed_while_its_progress_is_deleted_needs_no_hand(
    disturbance, smoke: Study, undisturbed: Path, results: Path
) -> None:
    """Whatever is deleted first must not leave progress that cannot be resumed."""
    with pytest.MonkeyPatch.context() as patch:

        def interrupted(*arguments: object, **options: object) -> None:
            raise disturbance.interruption

        patch.setattr("fmq.training.scratch.shutil.rmtree", interrupted)
        with pytest.raises(disturbance.interruption):
            disturbance.train(smoke, "finetune-fmq", results)
    for log in (results / "scratch").rglob("transitions-seed*.bin"):
        log.unlink()
    disturbance.train(smoke, "finetune-fmq", results)
    same = disturbance.outputs(undisturbed, "finetune-fmq")
    assert disturbance.outputs(results, "finetune-fmq") == same


@pytest.mark.parametrize("name", ["pretrain-warmup", "finetune-fmq"])
def test_sigterm_keeps_progress_at_once(
    disturbance, smoke: Study, undisturbed: Path, results: Path, name: str
) -> None:
    seldom = smoke.model_copy(update={"checkpoint_seconds": 1e6})
    clear(disturbance, results, name)
    with pytest.MonkeyPatch.context() as patch:
        disturbance.at_call(patch, 5, disturbance.ask_to_stop)
        with pytest.raises(Preempted):
            disturbance.train(seldom, name, results)
    assert len(list((results / "scratch").rglob("progress.pt"))) == 1
    disturbance.train(seldom, name, results)
    assert disturbance.outputs(results, name) == disturbance.outputs(undisturbed, name)


def test_sigterm_does_not_wait_for_an_evaluation(
    disturbance, smoke: Study, undisturbed: Path, results: Path
) -> None:
    seldom = smoke.model_copy(update={"checkpoint_seconds": 1e6})

    def stopped(*arguments: object) -> None:
        disturbance.ask_to_stop()
        pytest.fail("the evaluation went on")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Evaluator, "episodes", stopped)
        with pytest.raises(Preempted):
            disturbance.train(seldom, "finetune-fmq", results)
    disturbance.train(seldom, "finetune-fmq", results)
    same = disturbance.outputs(undisturbed, "finetune-fmq")
    assert disturbance.outputs(results, "finetune-fmq") == same


@pytest.mark.parametrize("place", ["session.claim_device", "shared.load_transitions"])
def test_sigterm_does_not_wait_for_a_device_or_the_data(
    disturbance, smoke: Study, results: Path, place: str
) -> None:
    def stopped(*arguments: object) -> None:
        disturbance.ask_to_stop()
        pytest.fail("the run went on")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"fmq.training.{place}", stopped)
        with pytest.raises(Preempted):
            disturbance.train(smoke, "finetune-fmq", results)


def test_sigterm_while_a_checkpoint_is_read_is_no_damage_to_it(
    disturbance, smoke: Study, results: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.load", lambda *_, **__: disturbance.ask_to_stop())
        with pytest.raises(Preempted):
            disturbance.train(smoke, "finetune-fmq", results)


@pytest.mark.parametrize(
    "place", ["fmq.training.shared.load_transitions", "fmq.acting.evaluation.Evaluator.episodes"]
)
def test_sigterm_is_told_from_what_an_import_makes_of_it(
    disturbance, smoke: Study, results: Path, place: str
) -> None:
    """Importing an extension ends in an ImportError, whatever was raised during the import."""

    def imported(*arguments: object) -> None:
        try:
            disturbance.ask_to_stop()
        except Preempted:
            raise ImportError("initialization failed") from None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, imported)
        with pytest.raises(Preempted):
            disturbance.train(smoke, "finetune-fmq", results)


def test_an_error_without_a_signal_stays_what_it_is(
    disturbance, smoke: Study, results: Path
) -> None:
    def broken(*arguments: object) -> None:
        raise ImportError("initialization failed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fmq.training.shared.load_transitions", broken)
        with pytest.raises(ImportError):
            disturbance.train(smoke, "finetune-fmq", results)


def test_a_stopped_command_has_an_exit_code_of_its_own(smoke: Study, results: Path) -> None:
    online = smoke.online.model_copy(update={"steps": 10**6})
    longer = smoke.model_copy(update={"online": online})
    settings_file(results).write_text(longer.model_dump_json())
    command = ["finetune", smoke.tasks[1], "--seed", "0", "--method", "fmq"]
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("fmq")), *command, "--results", str(results)],
        stderr=subprocess.PIPE,
        text=True,
    )
    scratch = results / "scratch"
    while not list(scratch.rglob("progress.pt")):
        assert process.poll() is None, process.stderr and process.stderr.read()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 75
    assert errors.splitlines()[-1] == "fmq: stopped as asked; the same command goes on from here"


def test_another_kind_of_device_does_not_go_on_with_a_run(
    disturbance, smoke: Study, results: Path
) -> None:
    """Random generators on a CPU and on a GPU have different states."""
    state = Workbench.state
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workbench, "state", lambda self: state(self) | {"device": "cuda"})
        disturbance.at_call(patch, 5, disturbance.die)
        with pytest.raises(disturbance.interruption):
            disturbance.train(smoke, "finetune-fmq", results)
    with pytest.raises(UserError, match=r"started on cuda and cannot continue on cpu.* set device"):
        disturbance.train(smoke, "finetune-fmq", results)


def test_code_that_changed_on_the_way_is_on_record(
    disturbance, smoke: Study, results: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fmq.training.workbench.code_commit", lambda: {"sha1": "a", "dirty": False})
        disturbance.at_call(patch, 5, disturbance.die)
        with pytest.raises(disturbance.interruption):
            disturbance.train(smoke, "finetune-fmq", results)
    disturbance.train(smoke, "finetune-fmq", results)
    text = (disturbance.folder(results, "finetune-fmq") / "provenance.json").read_text()
    assert '"begun_with": [\n    {\n      "commit": {\n        "sha1": "a"' in text


def test_transitions_after_the_last_progress_are_cut_off(tmp_path: Path) -> None:
    log = TransitionLog(tmp_path / "log.bin", 2, 1)
    for value in range(5):
        log.add(np.full(2, value), np.full(1, value), value, 1.0, False, np.full(2, value + 1))
        if value in (2, 4):
            log.flush()
    kept = TransitionLog(tmp_path / "log.bin", 2, 1).restore(3)
    assert kept["reward"].tolist() == [0, 1, 2]
    assert (tmp_path / "log.bin").stat().st_size == 3 * kept.itemsize


def test_a_log_that_is_too_short_is_not_filled_up(tmp_path: Path) -> None:
    log = TransitionLog(tmp_path / "log.bin", 2, 1)
    log.add(np.ones(2), np.ones(1), 1.0, 1.0, False, np.ones(2))
    log.flush()
    assert len(TransitionLog(tmp_path / "log.bin", 2, 1).restore(5)) == 1


def test_damaged_progress_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "progress.pt").write_bytes(b"damaged")
    with pytest.raises(UserError, match=f"not a checkpoint.*delete {tmp_path} to start the run"):
        Scratch(tmp_path, "hash", 1.0).load(torch.device("cpu"))
