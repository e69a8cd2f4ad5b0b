"""`fmq diagnose` on a bandit whose true Q is known, and on the smoke study's own runs."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.runs import ROOT, TASK, smoke_study, train
from helpers.sharing import made_once
from helpers.studies import changed
from torch import Tensor
from typer.testing import CliRunner

from fmq.acting.branching import follow
from fmq.acting.diagnosis import (
    Subject,
    _act_alike,
    branches,
    calibration,
    measure_diagnosis,
)
from fmq.acting.policy import Policy
from fmq.analysis.evidence.diagnosis import DIAGNOSIS, write_diagnosis
from fmq.analysis.evidence.measurements import read_measurements
from fmq.analysis.inputs.provenance import collect_provenance
from fmq.analysis.statistics.diagnosis import summarise
from fmq.base.errors import UserError
from fmq.cli import app
from fmq.config.reading import load_study
from fmq.config.study import Study
from fmq.data.normalization import Normalizer
from fmq.envs.environment import Transition
from fmq.envs.simulators import LocalSimulators
from fmq.methods.samplers import make_sampler
from fmq.pipeline.diagnosis import (
    CANDIDATES,
    EPISODES,
    KINDS,
    MEASUREMENTS,
    diagnosed_names,
    diagnosed_runs,
)
from fmq.pipeline.measured import RECORD
from fmq.pipeline.paths import diagnosis_folder, manifest_file

FILES = tuple(f"{name}.csv" for name in MEASUREMENTS)
DISCOUNT, ETA, SIZE, HORIZON = 0.5, 0.3, 2, 2
STARTS = range(20)


class Bandit:
    """Two steps, each of which pays the product of state and action; then it is solved."""

    def reset(self, seed: int) -> np.ndarray:
        self.state = np.random.default_rng(seed).standard_normal(SIZE).astype(np.float32)
        self.steps = 0
        return self.state.copy()

    def step(self, action: np.ndarray) -> Transition:
        self.steps += 1
        over = self.steps == HORIZON
        return Transition(self.state.copy(), float(self.state @ action), over, False, over)


class Forgetful(Bandit):
    """A bandit that starts somewhere else each time."""

    count = 0

    def reset(self, seed: int) -> np.ndarray:
        Forgetful.count += 1
        return super().reset(Forgetful.count)


def bandits(count: int, kind: type[Bandit] = Bandit) -> LocalSimulators:
    return LocalSimulators([kind() for _ in range(count)])


def true_q(observations: Tensor, actions: Tensor) -> Tensor:
    first, second = actions[..., :SIZE], actions[..., SIZE:]
    value = (observations * (first + DISCOUNT * second)).sum(-1)
    return torch.stack([value, value])


def subject(critic: Callable[[Tensor, Tensor], Tensor]) -> Subject:
    """A policy of chunks 0.3 times its noise, far from the bounds."""
    policy = Policy(
        lambda observations, actions, r, t: -0.7 * actions,
        critic,
        Normalizer(torch.zeros(SIZE), torch.ones(SIZE)),
        make_sampler("one_step", "min"),
        torch.Generator().manual_seed(0),
        (HORIZON, SIZE),
    )
    return Subject(policy, policy, "min", DISCOUNT, ETA)


def diagnosed(critic: Callable[[Tensor, Tensor], Tensor]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables of a critic on the bandit."""
    one, simulators = subject(critic), bandits(len(STARTS))
    episodes = follow(simulators, STARTS, [()] * len(STARTS), one.policy.act)
    tried = [
        {"episode": number, **row}
        for number, episode in enumerate(episodes)
        for row in branches(one, simulators, STARTS[number], episode)
    ]
    place = {"task": TASK, "run": "finetune-fmq", "seed": 0}
    tables = (pd.DataFrame(calibration(one, episodes)), pd.DataFrame(tried))
    return tuple(table.assign(**place) for table in tables)


@pytest.mark.parametrize("sign", [1, -1])
def test_critics_that_are_right_and_wrong_are_told_apart(sign: int) -> None:
    study = load_study(ROOT / "config.yaml")
    decisions, tried = diagnosed(lambda obs, actions: sign * true_q(obs, actions))
    (row,) = summarise(study, decisions, tried).to_dict("records")
    assert (row["decisions"], row["states"]) == (len(STARTS), len(STARTS))
    if sign == 1:
        assert row["bias"] == pytest.approx(0, abs=1e-6)
        assert row["error"] == pytest.approx(0, abs=1e-6)
        assert row["top"] == pytest.approx(row["best"])
    assert row["rank"] == pytest.approx(sign)
    assert row["state_rank"] == pytest.approx(sign)
    # Q is linear: a step of length eta along the gradient gains eta times its length.
    slopes = [np.linalg.norm(Bandit().reset(start)) * (1 + DISCOUNT**2) ** 0.5 for start in STARTS]
    assert row["guided"] == pytest.approx(sign * ETA * np.mean(slopes), rel=1e-2)
    assert row["against"] == pytest.approx(-row["guided"], rel=1e-2)
    assert abs(row["random"]) < abs(row["guided"])
    assert row["guided_low"] < row["guided"] < row["guided_high"]
    assert sign * row["top"] > 0


def test_the_same_chunk_has_the_same_return_under_the_same_noise() -> None:
    one, simulators = subject(true_q), bandits(3)
    chunk = np.full((HORIZON, SIZE), 0.1, np.float32)
    observations = np.stack([Bandit().reset(0)] * 3)
    alike, apart = _act_alike(one.policy, observations), one.policy.act(observations)
    assert (alike == alike[0]).all()
    assert (apart != apart[0]).any()
    episodes = follow(simulators, [4] * 3, [[chunk]] * 3, lambda obs: _act_alike(one.policy, obs))
    assert len({tuple(episode[0].stretch.rewards) for episode in episodes}) == 1


def test_a_simulator_that_does_not_repeat_itself_is_refused() -> None:
    one, simulators = subject(true_q), bandits(9, Forgetful)
    (episode,) = follow(simulators, [0], [()], one.policy.act)
    with pytest.raises(UserError, match="does not repeat an episode"):
        branches(one, simulators, 0, episode)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return smoke_study(tmp_path_factory, "methods: [fmq, qc]\nsamplers: []\n")


@pytest.fixture(scope="session")
def measured(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with the runs and their measurements; not to be changed."""

    def make(results: Path) -> None:
        train(study, results, "pretrain-warmup", *diagnosed_names(study))
        settings = results / "settings.json"
        settings.write_text(study.model_dump_json())
        command = ["diagnose", TASK, "--seed", "0", "--settings", str(settings)]
        done = CliRunner().invoke(app, [*command, "--results", str(results)])
        assert done.exit_code == 0, done.output

    return made_once(tmp_path_factory, "diagnosed", make)


def test_real_runs_are_measured(study: Study, measured: Path) -> None:
    folder = diagnosis_folder(study, TASK, 0, measured)
    assert {path.name for path in folder.iterdir()} == {*FILES, RECORD}
    provenance = collect_provenance(study, [])
    decisions, tried = read_measurements(DIAGNOSIS, study, measured, provenance).values()
    runs = {"distill-esd", "pretrain-full", "finetune-fmq", "finetune-qc"}
    assert set(decisions["run"]) == set(tried["run"]) == runs
    episodes = decisions.groupby(["run", "episode"])
    assert len(episodes) == len(runs) * EPISODES
    # 50 steps at -1, in chunks of 5, and so on for ever.
    lost = episodes["success"].max() == 0
    assert lost.any()
    assert (episodes["decision"].count()[lost] == 10).all()
    assert (episodes["return"].min()[lost] == -100).all()
    counts = tried.groupby(["run", "episode", "kind"])["number"].count().unstack()
    assert list(counts[list(KINDS)].to_numpy()[0]) == [CANDIDATES, 1, 1, 1]
    assert len(counts) == len(runs) * EPISODES
    assert (tried.groupby(["run", "episode"])["decision"].nunique() == 1).all()


@pytest.mark.usefixtures("undrawn")
def test_real_measurements_are_reported(study: Study, measured: Path, tmp_path: Path) -> None:
    (dataset,) = study.dataset_names()
    write_diagnosis(study, measured, tmp_path, [manifest_file(study, dataset, measured)])
    table = pd.read_csv(tmp_path / "diagnosis" / "diagnosis.csv")
    assert list(table["label"]) == ["offline (FMQ)", "offline (QC)", "FMQ", "QC"]
    assert (table["states"] == EPISODES).all()
    assert (table["best"] >= table["top"]).all()


@pytest.mark.slow
def test_processes_change_nothing(study: Study, measured: Path, tmp_path: Path) -> None:
    results = Path(shutil.copytree(measured, tmp_path / "results"))
    folder = diagnosis_folder(study, TASK, 0, results)
    before = {name: (folder / name).read_bytes() for name in FILES}
    measure_diagnosis(changed(study, {"evaluation": {"processes": 2}}), TASK, 0, results)
    assert {name: (folder / name).read_bytes() for name in FILES} == before


def test_runs_that_serve_all_seeds_are_the_first_seeds(study: Study) -> None:
    shared = changed(study, {"seeds": [3, 1], "offline": {"shared": True}})
    names = [[run.name for run in diagnosed_runs(shared, TASK, seed)] for seed in (3, 1)]
    assert names == [diagnosed_names(study), ["finetune-fmq", "finetune-qc"]]
