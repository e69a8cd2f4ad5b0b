"""Runs whose simulator steps in a process of its own: the same bytes, errors and interruptions."""

import os
import signal
from pathlib import Path

import pytest
import torch
from helpers.processes import all_end, children
from helpers.refusals import refusal
from helpers.studies import changed

from fmq.base.errors import Preempted
from fmq.config.study import Study

NAME = "finetune-fmq"
FAULT = """
from fmq.envs.ogbench import OGBenchEnvironment
step = OGBenchEnvironment.step
def unstable(self, action):
    self.taken = getattr(self, "taken", 0) + 1
    result = step(self, action)
    return result._replace(reward=float("nan")) if self.taken == 33 else result
OGBenchEnvironment.step = unstable
"""


@pytest.fixture(scope="module")
def apart(smoke: Study) -> Study:
    return changed(smoke, {"online": {"simulators": "apart"}})


def test_a_simulator_apart_changes_no_byte(
    disturbance, apart: Study, undisturbed: Path, results: Path
) -> None:
    others = children(os.getpid())
    disturbance.train(apart, NAME, results)
    assert disturbance.outputs(results, NAME) == disturbance.outputs(undisturbed, NAME)
    assert children(os.getpid()) == others


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("apart", "here"),
        ("here", "apart"),
        pytest.param("apart", "apart", marks=pytest.mark.slow),
    ],
)
def test_a_run_that_is_stopped_within_a_chunk_resumes_either_way(
    disturbance, smoke: Study, undisturbed: Path, results: Path, before: str, after: str
) -> None:
    one, other = (changed(smoke, {"online": {"simulators": place}}) for place in (before, after))
    others = children(os.getpid())
    with pytest.MonkeyPatch.context() as patch:
        disturbance.at_call(patch, 3, disturbance.ask_to_stop)
        with pytest.raises(Preempted):
            disturbance.train(one, NAME, results)
    assert children(os.getpid()) == others
    (progress,) = (results / "scratch").rglob("progress.pt")
    (kept,) = torch.load(progress, weights_only=True)["content"]["runs"]
    assert 0 < len(kept["collector"]["queue"]) < one.task_defaults.chunk_length
    disturbance.train(other, NAME, results)
    assert disturbance.outputs(results, NAME) == disturbance.outputs(undisturbed, NAME)


def test_a_killed_simulator_is_one_line_and_the_run_goes_on_from_its_progress(
    disturbance, apart: Study, undisturbed: Path, results: Path
) -> None:
    others = children(os.getpid())

    def kill() -> None:
        (simulator,) = children(os.getpid()) - others
        os.kill(simulator, signal.SIGKILL)
        all_end({simulator})

    with pytest.MonkeyPatch.context() as patch:
        disturbance.at_call(patch, 3, kill)
        told = refusal(disturbance.train, apart, NAME, results)
    assert told.startswith(f"{disturbance.run(apart, NAME)}: ")
    assert children(os.getpid()) == others
    disturbance.train(apart, NAME, results)
    assert disturbance.outputs(results, NAME) == disturbance.outputs(undisturbed, NAME)


def test_a_fault_is_told_at_its_step(
    disturbance, apart: Study, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(FAULT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    told = refusal(disturbance.train, apart, NAME, results)
    assert "a reward of nan at environment step 33, in episode 2," in told
