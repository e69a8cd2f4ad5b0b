"""Convergence of whole studies: known steps, censored runs, gaps, files."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.analysing import TASK2, TASK4, make_study, write_runs
from helpers.curves import set_success

from fmq.analysis.evidence.convergence_report import write_convergence
from fmq.analysis.inputs.csvw import read_table
from fmq.analysis.inputs.scores import write_scores
from fmq.analysis.statistics.convergence import CONVERGENCE, MEAN
from fmq.base.errors import UserError
from fmq.config.study import Study
from fmq.pipeline.paths import evaluation_file, run_folder
from fmq.pipeline.runs import make_run

ARRIVAL = {"fmq": 2000, "mvp": 6000}


def arriving(task: str, method: str, seed: int, step: int) -> float:
    """0.8 from a known step on; a tenth of it before."""
    return 0.8 if step >= ARRIVAL.get(method, 0) else 0.1


def report(
    study: Study,
    results: Path,
    folder: Path,
    success: Callable[[str, str, int, int], float] = arriving,
) -> pd.DataFrame:
    """The table of a copy of `results` with known success."""
    copy = shutil.copytree(results, folder / "results", dirs_exist_ok=True)
    set_success(study, copy, success)
    return made(study, copy, folder)


def made(study: Study, results: Path, folder: Path) -> pd.DataFrame:
    write_scores(study, results, folder)
    write_convergence(study, folder)
    return read_table(folder / "convergence" / "steps.csv", CONVERGENCE, ["task", "level"])


def test_known_steps(study: Study, results: Path, tmp_path: Path) -> None:
    steps = report(study, results, tmp_path)
    assert set(steps["task"]) == {*study.tasks, MEAN}
    tasks = steps[steps["task"] != MEAN]
    assert set(tasks["fmq"]) == {2000.0}
    assert set(tasks["mvp"]) == {6000.0}
    assert set(steps["state"]) == {"measured"}
    for column in ("least", "most"):
        np.testing.assert_allclose(steps[column], 3.0)
    np.testing.assert_allclose(tasks["success"], 0.8 * tasks["level"])
    # MVP rises from 0.1 at 4,000 steps to 0.8 at 6,000; FMQ is there at its first evaluation.
    crossed = 4000 + 2000 * (0.8 * tasks["level"] - 0.1) / 0.7
    np.testing.assert_allclose(tasks["fmq_interpolated"], 2000.0)
    np.testing.assert_allclose(tasks["mvp_interpolated"], crossed)
    np.testing.assert_allclose(tasks["interpolated"], crossed / 2000)
    np.testing.assert_allclose(steps[steps["task"] == MEAN]["interpolated"], crossed[:4] / 2000)
    text = (tmp_path / "convergence" / "steps.md").read_text()
    assert "3.00 (2k/6k); 2.71 | 3.00 (2k/6k); 2.83 |" in text.replace("\N{NO-BREAK SPACE}", " ")
    assert "up to the first evaluation at or above the level and, after the semicolon" in text
    # All runs agree, so that every resample is the same.
    mean = steps[steps["task"] == MEAN]
    np.testing.assert_allclose(mean[["low", "high"]], 3.0)
    assert (mean["fmq_reached"] == 6).all()


def test_the_mean_is_of_the_ratios_and_its_interval_holds_those_of_the_runs(
    study: Study, results: Path, tmp_path: Path
) -> None:
    def success(task: str, method: str, seed: int, step: int) -> float:
        arrival = 2000 if method == "fmq" else (2000 * (seed + 2) if task == TASK4 else 4000)
        return 1.0 if step >= arrival else 0.0

    table = report(study, results, tmp_path, success).set_index(["task", "level"])
    # MVP's seeds arrive on task4 at 4000, 6000 and 8000: all of them, the mean only at the end.
    assert table.loc[(TASK4, 1.0), "most"] == 4.0
    assert table.loc[(TASK2, 1.0), "most"] == 2.0
    mean = table.loc[(MEAN, 1.0)]
    assert mean["most"] == 3.0
    # A resample may hold the first seed alone, or the last.
    assert mean["low"] == 2.0 < mean["high"] <= 3.0


@pytest.mark.slow
def test_all_runs_censored(study: Study, results: Path, tmp_path: Path) -> None:
    def success(task: str, method: str, seed: int, step: int) -> float:
        return 0.1 if method == "fmq" else arriving(task, method, seed, step)

    table = report(study, results, tmp_path, success)
    assert set(table["state"]) == {"censored"}
    assert table[table["task"] != MEAN]["fmq"].isna().all()
    assert (table["fmq_reached"] == 0).all()
    assert (table["least"] == 0).all()
    mean = table[table["task"] == MEAN]
    assert (mean["tasks"] == 2).all()
    assert (mean["tasks_censored"] == 2).all()
    assert (mean["low"] == 0).all()
    np.testing.assert_allclose(table["most"], 6000 / 8000)
    text = (tmp_path / "convergence" / "steps.md").read_text()
    assert "2 at 75%, 2 at 85%, 2 at 95%, 2 at 100%" in text
    assert "&lt; 0.75 (–/6k)" in text.replace("\N{NO-BREAK SPACE}", " ")
    assert "| 0/0/0/0 | 3/3/3/3 |" in text
    assert "0.00 to 0.75" in text
    assert r"\textless{} 0.75 (–/6k)" in (tmp_path / "convergence" / "steps.tex").read_text()


def test_a_run_that_stays_behind_counts_against_its_method(
    study: Study, results: Path, tmp_path: Path
) -> None:
    """One seed of three never arrives: the mean does not reach the level, two runs do."""

    def success(task: str, method: str, seed: int, step: int) -> float:
        stays = task == TASK4 and method == "fmq" and seed == 1
        return 0.0 if stays else arriving(task, method, seed, step)

    table = report(study, results, tmp_path, success).set_index(["task", "level"])
    for level in (0.75, 1.0):
        entry = table.loc[(TASK4, level)]
        assert (entry["state"], entry["fmq_reached"], entry["fmq_runs"]) == ("censored", 2, 3)
        mean = table.loc[(MEAN, level)]
        assert (mean["least"], mean["most"]) == pytest.approx((3 / 2, (3 + 0.75) / 2))
        assert (mean["tasks"], mean["tasks_censored"]) == (2, 1)
        # Resamples without the run that stays behind have it all, those with it have bounds.
        assert mean["low"] == pytest.approx(1.5)
        assert mean["high"] == pytest.approx(3.0)


@pytest.mark.slow
def test_without_a_success_of_mvp_a_task_has_no_level(
    study: Study, results: Path, tmp_path: Path
) -> None:
    def success(task: str, method: str, seed: int, step: int) -> float:
        nothing = task == TASK4 and method == "mvp"
        return 0.0 if nothing else arriving(task, method, seed, step)

    table = report(study, results, tmp_path, success).set_index("task")
    assert set(table.loc[TASK4, "state"]) == {"no level"}
    assert table.loc[TASK4, ["fmq", "mvp", "most"]].isna().all(axis=None)
    assert (table.loc[TASK4, ["fmq_reached", "mvp_reached"]] == 0).all(axis=None)
    assert (table.loc[MEAN, "most"] == 3.0).all()
    assert (table.loc[MEAN, "tasks"] == 1).all()
    assert "MVP never succeeds on 1:" in (tmp_path / "convergence" / "steps.md").read_text()


def test_one_seed_has_no_interval_and_says_so(tmp_path: Path) -> None:
    study = make_study(seeds=[4])
    write_runs(study, tmp_path / "made")
    table = report(study, tmp_path / "made", tmp_path)
    assert table[["low", "high"]].isna().all(axis=None)
    assert (table["most"] == 3.0).all()
    text = (tmp_path / "convergence" / "steps.md").read_text()
    assert "One seed: no interval." in text
    assert re.search(r"\bnan\b", text) is None


@pytest.mark.slow
def test_an_unfinished_study_takes_the_runs_that_are_there(
    study: Study, results: Path, tmp_path: Path
) -> None:
    unfinished = make_study(allow_missing=True)
    report(unfinished, results, tmp_path)
    copy = tmp_path / "results"
    for seed in (0, 1, 2):
        shutil.rmtree(run_folder(make_run(study, TASK4, seed, "finetune-mvp"), copy))
    run = make_run(study, TASK2, 1, "finetune-fmq")
    evaluation_file(run, run.sampler, copy).unlink()
    table = made(unfinished, copy, tmp_path).set_index("task")
    assert set(table.loc[TASK4, "state"]) == {"no runs"}
    assert set(table.loc[TASK2, "fmq_runs"]) == {2}
    assert (table.loc[TASK2, "most"] == 3.0).all()
    assert set(table.loc[MEAN, "state"]) == {"no runs"}
    text = (tmp_path / "convergence" / "steps.md").read_text()
    assert "| 2/2/2/2 of 2 | 3/3/3/3 |" in text
    assert "Unfinished: a task uses the seeds that have finished it, 0 to 3 of 3" in text
    assert "FMQ reaches every level of tasks that have runs" in text


@pytest.mark.slow
def test_resamples_without_a_success_of_mvp_leave_no_interval_to_a_single_task(
    tmp_path: Path,
) -> None:
    """Beside another task they leave the mean over the tasks that have a level."""

    def success(task: str, method: str, seed: int, step: int) -> float:
        lucky = task != TASK4 or method != "mvp" or seed == 0
        return arriving(task, method, seed, step) if lucky else 0.0

    for tasks, bounded in (([TASK4], False), ([TASK2, TASK4], True)):
        study = make_study(tasks=tasks)
        folder = tmp_path / str(len(tasks))
        write_runs(study, folder / "made")
        table = report(study, folder / "made", folder, success)
        mean = table[table["task"] == MEAN]
        assert set(mean["state"]) == {"measured"}
        assert mean[["low", "high"]].notna().all(axis=None) == bounded


@pytest.mark.drawn
def test_files_are_the_same_twice(study: Study, results: Path, tmp_path: Path) -> None:
    report(study, results, tmp_path)
    first = {path.name: path.read_bytes() for path in (tmp_path / "convergence").iterdir()}
    assert {name.partition(".")[2] for name in first} == {
        *("csv", "csv-metadata.json", "md", "tex", "pdf", "png")
    }
    made(study, tmp_path / "results", tmp_path)
    for path in (tmp_path / "convergence").iterdir():
        assert path.read_bytes() == first[path.name]


def test_what_does_not_belong_is_refused(study: Study, results: Path, tmp_path: Path) -> None:
    report(study, results, tmp_path)
    out = tmp_path / "convergence"
    shutil.rmtree(out)
    with pytest.raises(UserError, match="made with other settings"):
        write_convergence(make_study(seed=7), tmp_path)
    with pytest.raises(UserError, match="compares fmq with mvp; add mvp"):
        write_convergence(make_study(methods=["fmq", "qc"]), tmp_path)
    assert not out.exists()
