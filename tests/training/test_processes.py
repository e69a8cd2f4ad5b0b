"""Runs with evaluations in several processes: the same bytes, and the same reaction to a signal."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from helpers.processes import all_end, children

from fmq.acting.evaluation import evaluate_checkpoints
from fmq.config.study import Study
from fmq.envs import processes
from fmq.pipeline.paths import evaluation_file, settings_file
from fmq.pipeline.studies import study_identity


def spread(study: Study, **changes: Any) -> Study:
    """The study with two processes for the simulators of an evaluation."""
    evaluation = study.evaluation.model_copy(update={"processes": 2, **changes})
    return study.model_copy(update={"evaluation": evaluation})


def test_runs_and_evaluations_have_the_same_bytes_and_start_their_processes_once(
    disturbance, smoke: Study, undisturbed: Path, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def start() -> Any:
        started.append(_start_worker())
        return started[-1]

    _start_worker = processes._start_worker
    monkeypatch.setattr(processes, "_start_worker", start)
    name = "finetune-fmq"
    disturbance.train(spread(smoke), name, results)
    assert disturbance.outputs(results, name) == disturbance.outputs(undisturbed, name)
    assert len(started) == 2, "two evaluations, one pair of processes"
    assert all(worker.process.returncode is not None for worker in started)
    for study, folder in ((smoke, undisturbed), (spread(smoke), results)):
        evaluate_checkpoints([disturbance.run(study, name)], "qgbs", folder)
    assert len(started) == 4
    assert all(worker.process.returncode is not None for worker in started)
    one, other = (
        evaluation_file(disturbance.run(smoke, name), "qgbs", folder)
        for folder in (undisturbed, results)
    )
    assert one.read_bytes() == other.read_bytes()
    assert one.with_suffix(".json").read_bytes() == other.with_suffix(".json").read_bytes()


def test_the_number_of_processes_makes_nothing_again(smoke: Study, tmp_path: Path) -> None:
    one = study_identity(smoke, tmp_path)
    assert study_identity(spread(smoke), tmp_path) == one
    assert study_identity(spread(smoke, episodes=3), tmp_path) != one


def test_a_signal_to_all_processes_of_an_evaluation_stops_the_command_as_ever(
    smoke: Study, results: Path
) -> None:
    """Clusters send the signal to all processes."""
    endless = spread(smoke, episodes=100_000)
    settings_file(results).write_text(endless.model_dump_json())
    command = ["pretrain", smoke.tasks[1], "--seed", "0", "--budget", "full"]
    parent = subprocess.Popen(
        [str(Path(sys.executable).with_name("fmq")), *command, "--results", str(results)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while len(started := children(parent.pid)) < 2:
        assert parent.poll() is None, parent.stderr and parent.stderr.read()
        time.sleep(0.02)
    os.killpg(parent.pid, signal.SIGTERM)
    _, errors = parent.communicate(timeout=600)
    assert parent.returncode == 75
    assert errors.splitlines()[-1] == "fmq: stopped as asked; the same command goes on from here"
    assert all_end(started)
