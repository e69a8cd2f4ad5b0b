"""Seconds and bytes at made-up rates, and one measured plan from end to end."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.jobs import jobs_of_a_task
from helpers.studies import changed

from fmq import cli
from fmq.config.study import WIDE, Study
from fmq.tools.plan.jobs import study_jobs
from fmq.tools.plan.plan import lay_out
from fmq.tools.plan.rates import (
    ANALYSIS_SECONDS,
    EPISODE_BYTES,
    SNAKEMAKE_SECONDS,
    Rates,
    dataset_bytes,
    job_seconds,
    run_bytes,
)
from fmq.tools.plan.report import as_text

SECTIONS = ("Jobs", "Steps", "Disk", "Speed", "Time of a task and seed", "Time of the study")


def test_seconds_of_jobs_by_hand(smoke: Study, rates: Rates) -> None:
    first = {}
    for job in study_jobs(smoke):
        seconds = job_seconds(job, rates, cores=2) - SNAKEMAKE_SECONDS
        first.setdefault(
            f"{job.rule} {job.run.name} {job.sampler}" if job.run else job.rule, seconds
        )
    start = 3.0 + 1.0  # of the process, and the simulator's packages
    # 505 steps in two processes, and one simulator
    assert first["dataset"] == pytest.approx(start + 0.5 + 505 * 0.001 / 2)
    assert first["pretrain pretrain-warmup best_of_n_euler"] == pytest.approx(start + 10 * 0.1)
    # four simulators, 30 updates, 400 steps in 20 calls
    distill = start + 4 * 0.5 + 30 * 0.1 + 400 * 0.001 + 20 * 0.02
    assert first["distill distill-esd best_of_n"] == pytest.approx(distill)
    # five simulators, 20 updates, 60 steps to learn from, 600 more in 30 calls
    online = start + 5 * 0.5 + 20 * 0.1 + 60 * 0.01 + 600 * 0.001 + 30 * 0.03
    assert first["finetune finetune-qc best_of_n_euler"] == pytest.approx(online)
    evaluation = start + 4 * 0.5 + 200 * 0.001 + 10 * 0.04
    assert first["evaluate finetune-mvp qgbs"] == pytest.approx(evaluation)
    assert first["statistics"] == pytest.approx(ANALYSIS_SECONDS["statistics"])


def test_generation_has_no_more_than_its_eight_cores(smoke: Study, rates: Rates) -> None:
    dataset = study_jobs(smoke)[0]
    assert job_seconds(dataset, rates, cores=64) == job_seconds(dataset, rates, cores=8)
    assert job_seconds(dataset, rates, cores=8) < job_seconds(dataset, rates, cores=2)


def test_processes_of_simulators_share_their_steps_and_occupy_cores(
    smoke: Study, rates: Rates
) -> None:
    spread = smoke.evaluation.model_copy(update={"processes": 3})
    shared = study_jobs(smoke.model_copy(update={"evaluation": spread}))
    for one, other in zip(study_jobs(smoke), shared, strict=True):
        assert other.cores == (3 if one.run else one.cores)
        for cores, processes in ((1, 1), (2, 2), (8, 3)):
            faster = job_seconds(one, rates, cores) - job_seconds(other, rates, cores)
            saved = one.work.evaluation_steps * 0.001 * (1 - 1 / processes)
            assert faster == pytest.approx(saved)


def test_a_simulator_apart_steps_beside_the_updates_on_a_core_of_its_own(
    smoke: Study, rates: Rates
) -> None:
    apart = changed(smoke, {"online": {"simulators": "apart"}})
    for one, other in zip(study_jobs(smoke), study_jobs(apart), strict=True):
        acts = one.run is not None and one.run.name in rates.tasks[one.task].collecting
        finetunes = one.rule == "finetune"
        assert other.cores == one.cores + finetunes
        for cores, saved in ((1, 0.0), (2, 60 * 0.001 * (1 - 1 / 5))):
            faster = job_seconds(one, rates, cores) - job_seconds(other, rates, cores)
            assert faster == pytest.approx(saved if acts and finetunes else 0.0)


def test_beside_a_training_only_the_last_evaluation_takes_time_where_there_is_a_core(
    smoke: Study, rates: Rates
) -> None:
    settings = smoke.evaluation.model_copy(update={"beside": True})
    inline = jobs_of_a_task(smoke)
    beside = jobs_of_a_task(smoke.model_copy(update={"evaluation": settings}))
    for name, evaluations in (("pretrain-full", 2), ("finetune-qc", 3)):
        one, other = inline[name], beside[name]
        assert (one.cores, other.cores) == (1, 2)
        assert job_seconds(other, rates, 1) == pytest.approx(job_seconds(one, rates, 1))
        each = 200 * 0.001 + 10 * rates.tasks[one.task].acting[one.sampler]
        saved = job_seconds(one, rates, 2) - job_seconds(other, rates, 2)
        assert saved == pytest.approx((evaluations - 1) * each)
    one, other = (jobs["finetune-mvp qgbs"] for jobs in (inline, beside))
    assert other.cores == one.cores
    assert job_seconds(other, rates, 2) == job_seconds(one, rates, 2)


def test_bytes_of_made_data_are_rows_times_their_size(smoke: Study, rates: Rates) -> None:
    assert dataset_bytes(smoke, study_jobs(smoke)[0], rates) == 505 * 100


def test_bytes_of_official_data_are_known_where_their_rows_are(paper: Study, rates: Rates) -> None:
    task = next(iter(rates.tasks.values()))
    tasks = {
        name: replace(task, row_bytes=None if name.endswith("low_dim") else 100)
        for name in paper.tasks
    }
    sizes = {
        paper.task(job.task).dataset: dataset_bytes(paper, job, replace(rates, tasks=tasks))
        for job in study_jobs(paper)
        if job.rule == "dataset"
    }
    assert sizes["cube-triple-play-v0"] == 3_003_000 * 100
    assert sizes["can-mh-low_dim"] is None
    assert len(sizes) == 7


def test_a_run_leaves_a_checkpoint_and_episodes(smoke: Study, rates: Rates) -> None:
    jobs = jobs_of_a_task(smoke)
    assert run_bytes(jobs["pretrain-warmup"], rates) == 1_000_000
    assert run_bytes(jobs["finetune-fmq"], rates) == 1_000_000 + 12 * EPISODE_BYTES
    assert run_bytes(jobs["finetune-fmq qgbs"], rates) == 4 * EPISODE_BYTES


def test_seeds_that_are_trained_together_take_their_time_one_after_the_other(
    smoke: Study, rates: Rates
) -> None:
    study = smoke.model_copy(update={"seeds": [0, 1]})
    training = smoke.training.model_copy(update={"stack_seeds": True})
    stacked = study.model_copy(update={"training": training})
    apart, together = jobs_of_a_task(study), jobs_of_a_task(stacked)
    for name in ("pretrain-warmup", "distill-esd", "finetune-fmq"):
        one, both = (job_seconds(jobs[name], rates, 2) for jobs in (apart, together))
        shared = 0.0 if "warmup" in name else 4 * 0.5  # an evaluation's simulators
        assert both == pytest.approx(2 * one - (SNAKEMAKE_SECONDS + 3.0 + 1.0) - shared)
        assert run_bytes(together[name], rates) == 2 * run_bytes(apart[name], rates)


def test_a_plan_lies_between_its_bounds(smoke: Study, rates: Rates) -> None:
    plan = lay_out(smoke, study_jobs(smoke), rates, cores=2)
    assert plan.chain <= plan.wall
    assert sum(plan.seconds) / 2 <= plan.wall <= sum(plan.seconds)


def test_fewer_places_on_gpus_than_cores_hold_a_study_up(smoke: Study, rates: Rates) -> None:
    jobs = study_jobs(smoke)
    plenty = lay_out(smoke, jobs, replace(rates, processes=8), cores=8)
    scarce = lay_out(smoke, jobs, replace(rates, processes=1), cores=8)
    assert scarce.wall == pytest.approx(sum(scarce.seconds))
    assert plenty.wall < scarce.wall / 2


def test_where_a_gpu_is_missing_its_hours_are_arithmetic(smoke: Study, rates: Rates) -> None:
    wide = changed(smoke, {"device": "auto", "networks": {"hidden_width": WIDE}})
    jobs = study_jobs(wide)
    (told,) = re.findall(
        r"operations of all updates +(\S+)", as_text(lay_out(wide, jobs, rates, cores=2))
    )
    updates = sum(job.work.updates for job in jobs)
    assert float(told) == pytest.approx(updates * 2e9, rel=0.05)  # two digits are told
    measured = lay_out(wide, jobs, replace(rates, device="cuda:0"), cores=2)
    assert "arithmetic" not in as_text(measured)
    narrow = changed(smoke, {"device": "auto"})
    assert "arithmetic" not in as_text(lay_out(narrow, jobs, rates, cores=2))


def test_the_report_says_what_is_not_known(paper: Study, rates: Rates) -> None:
    task = replace(next(iter(rates.tasks.values())), row_bytes=None)
    made_up = replace(rates, device="cuda:0", tasks=dict.fromkeys(paper.tasks, task))
    text = as_text(lay_out(paper, study_jobs(paper), made_up, cores=8))
    assert "data set can-mh-low_dim" in text
    assert "unknown" in text
    assert "CPU time" not in text
    assert max(map(len, text.splitlines())) <= 120


def test_others_at_work_are_mentioned(smoke: Study, rates: Rates) -> None:
    jobs = study_jobs(smoke)
    assert "processes took 70%" in as_text(lay_out(smoke, jobs, replace(rates, share=0.3), cores=2))
    assert "processes took" not in as_text(lay_out(smoke, jobs, rates, cores=2))


def test_a_measured_plan_has_every_section(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(root / name) for name in ("config.yaml", "config/smoke.yaml")]
    monkeypatch.setattr(sys, "argv", ["fmq", "plan", *files, "--cores", "1"])
    monkeypatch.setattr("fmq.tools.plan.measure.SECONDS", 0.5)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")  # main sets them; so they are put back
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code in (0, None)
    text = capsys.readouterr().out
    for section in (*SECTIONS, "Assumed"):
        assert f"\n{section}" in text
    assert re.search(r"^  total +32$", text, re.MULTILINE)
