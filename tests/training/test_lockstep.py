"""Several seeds in one process: each trains as if alone, and all are interrupted as one."""

import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from helpers.learners import assert_near
from helpers.studies import changed
from typer.testing import CliRunner

from fmq.acting.checkpoint import save_checkpoint
from fmq.acting.evaluation import Evaluator
from fmq.base.errors import Preempted, UserError
from fmq.cli import app
from fmq.config.study import Study
from fmq.data.sequences import Batch
from fmq.envs.processes import SimulatorProcesses
from fmq.pipeline.paths import scratch_folder, settings_file
from fmq.tools.status.logs import read_log
from fmq.training import outputs as outputs_module
from fmq.training import session
from fmq.training.clock import Clock
from fmq.training.scratch import open_scratch
from fmq.training.workbench import Workbench

SEEDS = (0, 1)
STAGES = ("pretrain-warmup", "distill-esd", "finetune-fmq", "finetune-mvp-no-new-data")
NAME = "finetune-fmq"
pytestmark = pytest.mark.slow  # the set-up alone trains eight runs


@pytest.fixture(scope="session")
def stacked(smoke: Study) -> Study:
    training = smoke.training.model_copy(update={"stack_seeds": True})
    return smoke.model_copy(update={"training": training})


@pytest.fixture(scope="session")
def joint(disturbance, stacked: Study):
    """Runs of the study that trains its seeds together; `disturbance` trains them alone."""
    return type(disturbance)(stacked)


def in_folder(results: Path, data: Path, disturbance, made: Path | None = None) -> Path:
    """Make a results folder with the data of another, and the offline runs in `made`."""
    results.mkdir()
    (results / "datasets").symlink_to(data / "datasets")
    for seed in SEEDS if made else ():
        for name in STAGES[:2]:
            folder = disturbance.folder(results, name, seed)
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.symlink_to(disturbance.folder(made, name, seed))
    return results


@pytest.fixture(scope="module")
def together(
    stacked: Study, joint, undisturbed: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A results folder with every run of both seeds, trained in one process."""
    results = in_folder(tmp_path_factory.mktemp("together") / "results", undisturbed, joint)
    for name in STAGES:
        joint.train(stacked, name, results, SEEDS)
    return results


@pytest.fixture
def begun(undisturbed: Path, together: Path, joint, tmp_path: Path) -> Path:
    """A results folder with the data and the runs of both seeds that others start from."""
    return in_folder(tmp_path / "begun", undisturbed, joint, together)


def clear(joint, results: Path, name: str) -> None:
    for seed in SEEDS:
        if (folder := joint.folder(results, name, seed)).is_symlink():
            folder.unlink()


def outputs(joint, results: Path, name: str) -> list[list[bytes]]:
    return [joint.outputs(results, name, seed) for seed in SEEDS]


def refusal(joint, study: Study, results: Path, seeds: Sequence[int] = SEEDS) -> str:
    """Return the line with which runs are refused."""
    with pytest.raises(UserError) as error:
        joint.train(study, NAME, results, seeds)
    assert "\n" not in str(error.value)
    return str(error.value)


def assert_as_alone(found: list[bytes], alone: list[bytes]) -> None:
    """Compare numbers, not bytes: joint updates round differently."""
    (learned, *episodes, _), (expected, *expected_episodes, _) = found, alone
    numbers, others = (
        torch.cat([leaf.flatten() for leaf in leaves(torch.load(io.BytesIO(one))) if is_real(leaf)])
        for one in (learned, expected)
    )
    assert_near(numbers, others, 1e-3)
    assert len(learned) == len(expected)  # no checkpoint holds the whole matrix
    for mine, theirs in zip(episodes, expected_episodes, strict=True):
        assert mine.count(b"\n") == theirs.count(b"\n")


def is_real(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.is_floating_point()


def leaves(checkpoint: dict[str, Any]) -> list[Any]:
    """Return a checkpoint's tensors and numbers, without the settings, which differ by seed."""
    return torch.utils._pytree.tree_leaves(checkpoint["content"])


@pytest.fixture(scope="module")
def alone(
    smoke: Study, disturbance, undisturbed: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A results folder with every run of the second seed, trained without the first."""
    results = in_folder(tmp_path_factory.mktemp("alone") / "results", undisturbed, disturbance)
    for name in STAGES:
        disturbance.train(smoke, name, results, [1])
    return results


@pytest.mark.parametrize("name", STAGES)
def test_each_seed_is_as_if_it_were_alone(
    disturbance, joint, undisturbed: Path, alone: Path, together: Path, name: str
) -> None:
    for seed, results in ((0, undisturbed), (1, alone)):
        assert_as_alone(
            joint.outputs(together, name, seed), disturbance.outputs(results, name, seed)
        )
    assert not list((together / "scratch").rglob("*.pt"))


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("calls", [1, 8])
def test_a_kill_between_two_seeds_or_two_steps_changes_no_byte(
    joint, stacked: Study, together: Path, begun: Path, name: str, calls: int
) -> None:
    clear(joint, begun, name)
    for killed in (calls, calls + 3):
        with pytest.MonkeyPatch.context() as patch:
            joint.at_call(patch, killed, joint.die)
            with pytest.raises(joint.interruption):
                joint.train(stacked, name, begun, SEEDS)
    joint.train(stacked, name, begun, SEEDS)
    assert outputs(joint, begun, name) == outputs(joint, together, name)
    assert not list((begun / "scratch").rglob("*.pt"))


@pytest.mark.parametrize("calls", [1, 2])
def test_a_kill_between_the_evaluations_of_two_seeds_changes_no_byte(
    joint, stacked: Study, together: Path, begun: Path, calls: int
) -> None:
    seldom = stacked.model_copy(update={"checkpoint_seconds": 1e6})
    with pytest.MonkeyPatch.context() as patch:
        joint.at_call(patch, calls, joint.die, "evaluate")
        with pytest.raises(joint.interruption):
            joint.train(seldom, NAME, begun, SEEDS)
    joint.train(seldom, NAME, begun, SEEDS)
    assert outputs(joint, begun, NAME) == outputs(joint, together, NAME)


def test_sigterm_keeps_the_progress_of_all_in_one_file(
    joint, stacked: Study, together: Path, begun: Path
) -> None:
    seldom = stacked.model_copy(update={"checkpoint_seconds": 1e6})
    with pytest.MonkeyPatch.context() as patch:
        joint.at_call(patch, 5, joint.ask_to_stop)
        with pytest.raises(Preempted):
            joint.train(seldom, NAME, begun, SEEDS)
    (progress,) = (begun / "scratch").rglob("progress.pt")
    assert progress.parent.parent == scratch_folder(joint.run(stacked, NAME), begun)
    kept = torch.load(progress, weights_only=True)["content"]["runs"]
    assert kept[0]["step"] == kept[1]["step"] > 0
    names = [file.name for file in sorted(progress.parent.iterdir())]
    assert names == ["progress.pt", "transitions-seed0.bin", "transitions-seed1.bin"]
    joint.train(seldom, NAME, begun, SEEDS)
    assert outputs(joint, begun, NAME) == outputs(joint, together, NAME)


def test_a_kill_between_the_outputs_of_two_seeds_costs_no_update(
    joint, stacked: Study, together: Path, begun: Path
) -> None:
    written = []

    def interrupted(path: Path, *arguments: Any) -> None:
        written.append(path)
        if len(written) == 2:
            raise joint.interruption
        save_checkpoint(path, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outputs_module, "save_checkpoint", interrupted)
        with pytest.raises(joint.interruption):
            joint.train(stacked, NAME, begun, SEEDS)
    with pytest.MonkeyPatch.context() as patch:
        joint.at_call(patch, 1, lambda: pytest.fail("work was done again"))
        joint.train(stacked, NAME, begun, SEEDS)
    assert outputs(joint, begun, NAME) == outputs(joint, together, NAME)


def test_progress_that_lacks_a_seed_or_its_transitions_is_refused(
    joint, stacked: Study, begun: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        joint.at_call(patch, 9, joint.die)
        with pytest.raises(joint.interruption):
            joint.train(stacked, NAME, begun, SEEDS)
    (progress,) = (begun / "scratch").rglob("progress.pt")
    (progress.parent / "transitions-seed1.bin").unlink()
    told = refusal(joint, stacked, begun)
    assert re.search(
        r"transitions-seed1\.bin: has only 0 of \d+ transitions; delete its folder", told
    )
    state = torch.load(progress, weights_only=True)
    save_checkpoint(progress, state["settings"], {"runs": state["content"]["runs"][:1]})
    told = refusal(joint, stacked, begun)
    assert re.search(rf"progress\.pt: does not fit the run .*; delete {progress.parent} to", told)


@pytest.mark.parametrize("seeds", [[1], SEEDS])
def test_every_seed_has_one_owner(joint, stacked: Study, begun: Path, seeds: Sequence[int]) -> None:
    with open_scratch([joint.run(stacked, NAME, 1)], begun):
        told = refusal(joint, stacked, begun, seeds)
    assert re.search(rf"seed1/{NAME}-\w+: process \d+ on .* is working on this run", told)
    with open_scratch([joint.run(stacked, NAME, seed) for seed in SEEDS], begun):
        told = refusal(joint, stacked, begun, seeds)
    assert re.search(rf"seed{seeds[0]}/{NAME}-\w+: process ", told)


def test_divergence_names_the_seed_and_stops_all(joint, stacked: Study, begun: Path) -> None:
    sample = Workbench.sample

    def spoiled(self: Workbench) -> Batch:
        if self.run.seed == 1:
            self.buffer.rewards[:] = float("inf")
        return sample(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workbench, "sample", spoiled)
        told = refusal(joint, stacked, begun)
    assert re.search(rf"^{NAME} \S+ seed 1: critic loss is (inf|nan) at gradient step", told)
    (progress,) = (begun / "scratch").rglob("progress.pt")
    batch = torch.load(progress.parent / "diverged.pt", weights_only=True)["content"]
    assert batch["rewards"].isinf().all()
    for seed in SEEDS:
        assert not joint.folder(begun, NAME, seed).exists()


def test_a_process_has_one_place_on_a_device_one_clock_and_one_set_of_simulators(
    joint, stacked: Study, together: Path, begun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    claim, make = session.claim_device, Evaluator._make_simulators
    monkeypatch.setattr(session, "claim_device", lambda *a: calls.append("claim") or claim(*a))
    monkeypatch.setattr(
        "fmq.training.shared.Clock", lambda runs: calls.append(f"clock of {runs}") or Clock(runs)
    )
    monkeypatch.setattr(
        Evaluator, "_make_simulators", lambda *a: calls.append("simulators") or make(*a)
    )
    joint.train(stacked, NAME, begun, SEEDS)
    assert calls == ["claim", "clock of 2", "simulators"]


def test_simulators_apart_step_together_and_change_no_byte(
    joint, stacked: Study, together: Path, begun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All have their chunks before one is waited for."""
    calls, play = [], SimulatorProcesses.play

    def noted(*arguments: Any) -> Iterator[Any]:
        calls.append("play")
        return taken(play(*arguments))

    def taken(outcomes: Iterator[Any]) -> Iterator[Any]:
        while True:
            calls.append("take")
            yield next(outcomes)

    monkeypatch.setattr(SimulatorProcesses, "play", noted)
    joint.train(changed(stacked, {"online": {"simulators": "apart"}}), NAME, begun, SEEDS)
    assert calls[:4] == ["play", "play", "take", "take"]
    assert outputs(joint, begun, NAME) == outputs(joint, together, NAME)


def test_a_row_of_metrics_tells_each_seeds_numbers_and_the_time_of_all(
    joint, together: Path
) -> None:
    folders = [joint.folder(together, NAME, seed) for seed in SEEDS]
    one, other = (pd.read_csv(folder / "metrics.csv") for folder in folders)
    times = [name for name in one.columns if name.endswith(("_share", "_rate"))]
    assert len(times) == 8
    assert one[["step", *times]].equals(other[["step", *times]])
    assert not one.critic_loss.equals(other.critic_loss)
    assert not one.drift.equals(other.drift)
    assert (one[[name for name in times if name.endswith("_share")]].sum(axis=1) <= 1).all()
    for folder in folders:
        assert json.loads((folder / "provenance.json").read_text())["together"] == [0, 1]


def test_a_run_alone_is_with_none(disturbance, undisturbed: Path) -> None:
    told = (disturbance.folder(undisturbed, NAME) / "provenance.json").read_text()
    assert "together" not in json.loads(told)


def test_one_line_of_progress_tells_the_seeds_and_their_mean_success(
    joint, stacked: Study, begun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workbench, "evaluate", lambda self, step: [0.0, 0.5][self.run.seed])
        joint.train(stacked, NAME, begun, SEEDS)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{NAME} {stacked.tasks[1]} seeds 0, 1: ")
    (tmp_path / "log.txt").write_text(line)
    log = read_log(tmp_path / "log.txt")
    assert log is not None
    assert log.heartbeat is not None
    assert log.heartbeat.done == log.heartbeat.total == stacked.online.steps
    assert log.heartbeat.success == 0.25


def command(smoke: Study, results: Path, *seeds: int, stack: bool = True) -> Any:
    training = smoke.training.model_copy(update={"stack_seeds": stack})
    study = smoke.model_copy(update={"training": training})
    settings_file(results).write_text(study.model_dump_json())
    options = [word for seed in seeds for word in ("--seed", str(seed))]
    words = ["pretrain", smoke.tasks[1], "--budget", "warmup", "--results", str(results)]
    return CliRunner().invoke(app, [*words, *options])


def test_the_seeds_of_a_command_may_come_in_any_order(
    joint, smoke: Study, together: Path, begun: Path
) -> None:
    name = "pretrain-warmup"
    clear(joint, begun, name)
    with pytest.MonkeyPatch.context() as patch:
        joint.at_call(patch, 5, joint.die)
        with pytest.raises(joint.interruption):
            command(smoke, begun, 0, 1)
    assert command(smoke, begun, 1, 0).exit_code == 0
    assert outputs(joint, begun, name) == outputs(joint, together, name)
    assert not list((begun / "scratch").rglob("*.pt"))


def test_a_command_takes_each_seed_once_and_at_least_one(smoke: Study, begun: Path) -> None:
    told = command(smoke, begun, 0, 1, 0).exception
    assert isinstance(told, UserError)
    assert str(told) == "--seed 0 is given more than once; name each seed once"
    assert "Missing option '--seed'" in command(smoke, begun).output


@pytest.mark.parametrize(
    ("stack", "seeds", "told"),
    [
        (True, [1], "true: give --seed 0 --seed 1, not --seed 1"),
        (False, [0, 1], "false: give one --seed, not --seed 0 --seed 1"),
    ],
)
def test_a_command_trains_the_seeds_that_the_study_trains_together(
    smoke: Study, begun: Path, stack: bool, seeds: list[int], told: str
) -> None:
    """Training them otherwise would give other numbers under the same settings."""
    error = command(smoke, begun, *seeds, stack=stack).exception
    assert isinstance(error, UserError)
    assert str(error) == f"training.stack_seeds is {told}"
