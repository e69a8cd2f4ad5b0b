"""Evaluations beside the training: the bytes of evaluations in between, whatever happens."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.processes import all_end, children
from helpers.studies import changed

from fmq.base.errors import Preempted, UserError
from fmq.config.study import Study
from fmq.pipeline.paths import settings_file
from fmq.training.beside import Evaluations

BESIDE = {"evaluation": {"beside": True}}
NEVER: Any = lambda *_, **__: iter(())  # noqa: E731  evaluations that are never done


@pytest.fixture
def beside(smoke: Study) -> Study:
    return changed(smoke, BESIDE)


def learned(disturbance, results: Path, name: str) -> list[dict[str, str]]:
    """The rows of a run's metrics, but for times."""
    with (disturbance.folder(results, name) / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{key: row[key] for key in row if not key.endswith(("_share", "_rate"))} for row in rows]


def waiting(results: Path) -> list[int]:
    """The evaluations that saved progress leaves to be made."""
    (progress,) = (results / "scratch").rglob("progress.pt")
    return torch.load(progress)["content"]["waiting"]


@pytest.mark.parametrize("resumed", [BESIDE, pytest.param({}, marks=pytest.mark.slow)])
def test_a_killed_run_makes_the_evaluations_that_are_missing(
    disturbance,
    smoke: Study,
    beside: Study,
    undisturbed: Path,
    results: Path,
    resumed: dict[str, Any],
) -> None:
    name = "finetune-fmq"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Evaluations, "finished", NEVER)
        disturbance.at_call(patch, 12, disturbance.die)
        with pytest.raises(disturbance.interruption):
            disturbance.train(beside, name, results)
    assert waiting(results) == [20, 40]
    disturbance.train(changed(smoke, resumed), name, results)
    assert disturbance.outputs(results, name) == disturbance.outputs(undisturbed, name)
    assert learned(disturbance, results, name) == learned(disturbance, undisturbed, name)
    assert not list((results / "scratch").rglob("*.pt"))


@pytest.mark.slow
def test_snapshots_go_once_their_episodes_are_safe(
    disturbance, beside: Study, results: Path
) -> None:
    """The run waits for an evaluation at step 41, and is killed after it saved its progress."""
    name, finished = "finetune-fmq", Evaluations.finished
    with pytest.MonkeyPatch.context() as patch:
        wait = lambda self, wait=False: finished(self, wait=self.waiting == [20, 40])  # noqa: E731
        patch.setattr(Evaluations, "finished", wait)
        disturbance.at_call(patch, 13, disturbance.die)
        with pytest.raises(disturbance.interruption):
            disturbance.train(beside, name, results)
    assert waiting(results) == []
    assert not list((results / "scratch").rglob("snapshot-*"))


@pytest.mark.slow
def test_sigterm_does_not_wait_for_evaluations(
    disturbance, beside: Study, undisturbed: Path, results: Path
) -> None:
    name, finished = "finetune-fmq", Evaluations.finished

    def stopped(self: Evaluations, wait: bool = False) -> Any:
        if wait:
            disturbance.ask_to_stop()
            pytest.fail("it waited")
        return finished(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Evaluations, "finished", stopped)
        with pytest.raises(Preempted):
            disturbance.train(beside, name, results)
    with pytest.MonkeyPatch.context() as patch:
        disturbance.at_call(patch, 1, lambda: pytest.fail("work was done again"))
        disturbance.train(beside, name, results)
    assert disturbance.outputs(results, name) == disturbance.outputs(undisturbed, name)


def test_an_evaluation_whose_process_is_killed_is_named(
    disturbance, beside: Study, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = Evaluations.ask

    def killed(self: Evaluations, step: int) -> None:
        ask(self, step)
        assert self.worker is not None
        self.worker.process.kill()

    monkeypatch.setattr(Evaluations, "ask", killed)
    with pytest.raises(UserError, match=r"finetune-fmq .* evaluation at step 20: .*killed"):
        disturbance.train(beside, "finetune-fmq", results)


@pytest.mark.slow
def test_an_evaluation_that_fails_is_named(
    disturbance, beside: Study, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Evaluations.save

    def damaged(self: Evaluations, *arguments: Any) -> None:
        save(self, *arguments)
        for path in self.folder.glob("snapshot-*"):
            path.write_bytes(path.read_bytes()[:-1000])

    monkeypatch.setattr(Evaluations, "save", damaged)
    with pytest.raises(UserError, match=r"evaluation at step 20: .*snapshot-20-seed0\.pt.* delete"):
        disturbance.train(beside, "finetune-fmq", results)


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"evaluation": {"processes": 2}}])
def test_seeds_in_one_process_share_the_evaluations(
    disturbance, smoke: Study, results: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    stacked = changed(smoke, {"training": {"stack_seeds": True}, **changes})
    networks = {"hidden_width": 256, "activation": "gelu"}  # wide enough for products with it
    stacked, name = changed(stacked, {"networks": networks}), "pretrain-full"
    theirs = type(disturbance)(stacked)
    outputs = []
    for study in (stacked, changed(stacked, BESIDE)):
        folder = tmp_path / str(study.evaluation.beside)
        folder.mkdir()
        (folder / "datasets").symlink_to(results / "datasets")
        theirs.train(study, name, folder, seeds=(0, 1))
        outputs.append([theirs.outputs(folder, name, seed) for seed in (0, 1)])
    assert outputs[0] == outputs[1]
    assert outputs[0][0] != outputs[0][1]


@pytest.mark.slow
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM])
def test_the_process_ends_with_the_run_however_that_ends(
    beside: Study, results: Path, kill: signal.Signals
) -> None:
    endless = changed(beside, {"evaluation": {"episodes": 100_000}})
    settings_file(results).write_text(endless.model_dump_json())
    command = ["pretrain", beside.tasks[1], "--seed", "0", "--budget", "full"]
    parent = subprocess.Popen(
        [str(Path(sys.executable).with_name("fmq")), *command, "--results", str(results)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (started := children(parent.pid)):
        assert parent.poll() is None, parent.stderr and parent.stderr.read()
        time.sleep(0.02)
    if kill == signal.SIGKILL:
        parent.kill()
    else:
        os.killpg(parent.pid, signal.SIGTERM)  # as clusters do, which tell every process
    _, errors = parent.communicate(timeout=600)
    assert all_end(started)
    if kill != signal.SIGKILL:
        assert parent.returncode == 75
        assert errors.splitlines()[-1].startswith("fmq: stopped as asked")
