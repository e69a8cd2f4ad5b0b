"""How measurements are taken and averaged; how long anything takes is no matter here."""

from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from fmq.config.datasets import RandomData
from fmq.config.reading import study_from_dict
from fmq.config.study import Study, find_dataset
from fmq.data.generate import generate_dataset
from fmq.envs.making import make_environment
from fmq.tools.plan import stopwatch
from fmq.tools.plan.jobs import study_jobs
from fmq.tools.plan.measure import mean_rates
from fmq.tools.plan.rates import TaskRates
from fmq.tools.plan.rehearsal import measure_task
from fmq.tools.plan.simulators import Sizes, prepare_simulator
from fmq.tools.plan.stopwatch import elapsed, seconds_per_call

CPU = torch.device("cpu")


def test_calls_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    # A clock that moves on by a second whenever it is read.
    clock = SimpleNamespace(perf_counter=count().__next__, thread_time=count().__next__)
    monkeypatch.setattr(stopwatch, "time", clock)
    seen: list[str] = []
    calls = {name: lambda name=name: seen.append(name) for name in ("a", "b", "c")}
    seconds = seconds_per_call(calls, 3, CPU)
    assert len(seen) > 6
    assert "".join(seen) == "abc" * (len(seen) // 3)
    assert set(seconds) == set(calls)
    assert min(seconds.values()) >= 0


def test_a_round_longer_than_the_budget_is_the_only_one() -> None:
    seen: list[str] = []
    seconds_per_call({"a": lambda: seen.append("a")}, 0.0, CPU)
    assert seen == ["a"]


def test_elapsed_hands_on_the_result() -> None:
    seconds, result = elapsed(lambda: "result")
    assert result == "result"
    assert seconds >= 0


def test_what_is_not_trained_here_has_no_updates_to_measure(smoke: Study) -> None:
    changes = {
        "tasks": smoke.tasks[:1],
        "methods": ["authors"],
        "imported": {"authors": {"label": "Theirs", "files": "{task}.pkl"}},
        "samplers": [],
    }
    study = study_from_dict(smoke.model_dump() | changes, "test")
    jobs = [job for job in study_jobs(study) if job.run]
    rates = measure_task(jobs, CPU, 0.1)
    assert (rates.updates, rates.collecting, set(rates.acting)) == ({}, {}, {"best_of_n"})
    assert rates.checkpoint_bytes > 1000


def test_operations_are_those_of_the_products(smoke: Study) -> None:
    study = smoke.model_copy(update={"tasks": smoke.tasks[:1], "methods": ["qc"], "samplers": []})
    run = next(job for job in study_jobs(study) if job.rule == "finetune")
    networks, batch = study.networks, study.training.batch_size
    assert (networks.hidden_layers, networks.time_features) == (2, 0)
    rates = measure_task([run], CPU, 0.1)
    chunk, observation, width = 5 * 2, 2, networks.hidden_width
    policy = (observation + chunk + 2) * width + width**2 + width * chunk
    critics = 2 * ((observation + chunk) * width + width**2 + width)
    candidates = study.sampling.samples * (study.sampling.flow_steps * policy + critics)
    (found,) = rates.operations.values()
    # Besides the candidates: the target, and the losses with about twice as much for gradients.
    assert found / (2 * batch) == pytest.approx(
        candidates + critics + 3 * (policy + critics), rel=0.05
    )


def test_rates_are_means_over_processes(task_rates: TaskRates) -> None:
    other = replace(
        task_rates,
        making=1.5,
        step=0.003,
        updates=dict.fromkeys(task_rates.updates, 0.3),
    )
    mean = mean_rates([task_rates, other])
    assert mean.making == pytest.approx(1.0)
    assert mean.step == pytest.approx(0.002)
    assert mean.updates == pytest.approx(dict.fromkeys(task_rates.updates, 0.2))
    assert mean.acting == task_rates.acting
    assert (mean.checkpoint_bytes, mean.row_bytes) == (1_000_000, 100)


def test_a_row_of_made_data_has_the_bytes_that_are_told(smoke: Study, tmp_path: Path) -> None:
    task = smoke.task(smoke.tasks[0])
    sizes = prepare_simulator(task, find_dataset(smoke, task.dataset), tmp_path)
    assert sizes[:2] == (2, 2)
    settings = {"source": "random", "episodes": 2, "validation_episodes": 1, "seed": 0}
    small, large = (
        RandomData.model_validate(settings | {"episode_length": length}) for length in (10, 60)
    )
    bytes_of = []
    for data in (small, large):
        generate_dataset(task.dataset, data, tmp_path, 1)
        bytes_of.append((tmp_path / f"{task.dataset}.npz").stat().st_size)
    assert sizes.row_bytes == (bytes_of[1] - bytes_of[0]) / (2 * 50)


@pytest.mark.usefixtures("robosuite")
def test_robomimic_simulators_can_be_made_without_data(paper: Study, tmp_path: Path) -> None:
    task = paper.task("can-mh-low_dim")
    sizes = prepare_simulator(task, find_dataset(paper, task.dataset), tmp_path)
    assert sizes == Sizes(23, 7, None)
    assert make_environment(task, tmp_path).reset(0).shape == (23,)
