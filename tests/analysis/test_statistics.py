"""Statistics against closed forms, rliable's own functions and degenerate studies."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.analysing import make_study, write_runs
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rliable import metrics
from rliable.library import score_distributions

from fmq.analysis.inputs.scores import (
    collect_scores,
    comparison_rows,
    final_scores,
    write_scores,
)
from fmq.analysis.statistics import aggregates as statistics
from fmq.analysis.statistics.aggregates import (
    probability_of_improvement,
    run_means,
    write_statistics,
)
from fmq.analysis.statistics.bootstrap import bootstrap, score_matrix
from fmq.analysis.statistics.estimates import METRICS, read_estimates
from fmq.base.errors import UserError
from fmq.config.study import Study

rates = st.integers(0, 50).map(lambda wins: wins / 50)


def runs_and_tasks(values: np.ndarray) -> pd.DataFrame:
    frame = pd.DataFrame(values)
    return frame.rename_axis(index="seed", columns="task")


def test_interquartile_mean_of_known_scores() -> None:
    # The middle half of 0/7, 1/7, ..., 7/7 is 2/7 to 5/7.
    scores = np.arange(8).reshape(2, 4) / 7
    assert METRICS["iqm"](scores) == pytest.approx(0.5)
    skewed = np.array([[0.0, 0.2, 0.4, 0.6], [1.0, 1.0, 1.0, 1.0]])
    assert METRICS["iqm"](skewed) == pytest.approx((0.4 + 0.6 + 1.0 + 1.0) / 4)
    assert METRICS["mean"](skewed) == pytest.approx(0.65)
    assert METRICS["median"](skewed) == pytest.approx((0.6 + 0.7) / 2)
    assert METRICS["optimality_gap"](skewed) == pytest.approx(0.35)


@settings(max_examples=60, deadline=None)
@given(arrays(float, (3, 2), elements=rates), arrays(float, (4, 2), elements=rates))
def test_improvement_is_rliables(ours: np.ndarray, theirs: np.ndarray) -> None:
    expected = metrics.probability_of_improvement(ours, theirs)
    assert probability_of_improvement(ours, theirs) == pytest.approx([expected])
    assert probability_of_improvement(theirs, ours) == pytest.approx([1 - expected])


@settings(max_examples=20, deadline=None)
@given(arrays(float, (3, 4), elements=rates))
def test_profile_is_rliables(scores: np.ndarray) -> None:
    expected = score_distributions(scores, statistics.THRESHOLDS)
    np.testing.assert_allclose(statistics._profile(scores), expected)


def test_wrong_axis_is_refused(study: Study, results: Path) -> None:
    final = final_scores(study, collect_scores(study, results), "online")
    matrix = score_matrix(study, final, "fmq", "best_of_n")
    with pytest.raises(ValueError, match=r"expected rows by seed .*, found task and seed"):
        bootstrap(study, run_means, matrix.T)


def test_a_gap_in_the_matrix_is_refused(study: Study, results: Path) -> None:
    final = final_scores(study, collect_scores(study, results), "online")
    with pytest.raises(ValueError, match="lacks a final score"):
        score_matrix(study, final.iloc[1:], "fmq", "best_of_n")
    with pytest.raises(ValueError, match="lacks a final score"):
        score_matrix(study, final, "fmq", "euler")


def test_bootstrap_is_repeatable_and_leaves_the_global_generator_alone(study: Study) -> None:
    matrix = runs_and_tasks(np.random.default_rng(0).random((3, 2)))
    before = np.random.get_state()[1].copy()
    first = bootstrap(study, statistics._aggregate, matrix)
    second = bootstrap(study, statistics._aggregate, matrix)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (first.low <= first.value + 1e-12).all()
    assert (first.value <= first.high + 1e-12).all()
    assert (first.low < first.high).all()


def test_runs_are_resampled_within_tasks(study: Study) -> None:
    # Runs agree within each task, so a stratified resample never changes anything.
    matrix = runs_and_tasks(np.tile([0.1, 0.9], (3, 1)))
    estimate = bootstrap(study, statistics._aggregate, matrix)
    np.testing.assert_allclose(estimate.low, estimate.high)


def test_files_cover_every_row(study: Study, analysed: Path) -> None:
    folder = analysed / "statistics"
    rows = len(comparison_rows(study))
    sizes = {
        "aggregates": 2 * rows * len(METRICS),
        "profiles": 2 * rows * 101,
        "task_means": 2 * rows * 2 * len(study.tasks),
        # Online against every other row; offline against the distinct ones, QGBS and QC.
        "improvement": rows - 1 + 2,
    }
    for name, size in sizes.items():
        frame = read_estimates(study, folder, name)
        assert len(frame) == size
        assert (frame["low"] <= frame["high"]).all()
        assert (folder / f"{name}.csv-metadata.json").exists()
    shared = read_estimates(study, folder, "aggregates").query("stage == 'offline'")
    shared = shared[(shared["sampler"] == "best_of_n") & (shared["metric"] == "iqm")]
    assert len(shared[["value", "low", "high"]].drop_duplicates()) == 1


@pytest.mark.parametrize("many", ["seeds", "tasks", "neither"])
def test_one_run_or_one_task(tmp_path: Path, many: str, caplog: pytest.LogCaptureFixture) -> None:
    name = "pointmaze-medium-navigate-singletask-task2-v0"
    changes: dict[str, object] = {"methods": ["qc"], "samplers": []}
    if many != "tasks":
        changes["tasks"] = [name]
    if many != "seeds":
        changes["seeds"] = [4]
    study = make_study(**changes)
    write_runs(study, tmp_path / "results")
    write_scores(study, tmp_path / "results", tmp_path)
    write_statistics(study, tmp_path)
    aggregates = read_estimates(study, tmp_path / "statistics", "aggregates")
    assert aggregates["low"].isna().all() == (many != "seeds")
    assert aggregates["value"].notna().all()
    assert ("one seed: no intervals" in caplog.text) == (many != "seeds")
    assert read_estimates(study, tmp_path / "statistics", "improvement").empty


def test_statistics_of_another_study_are_refused(
    study: Study, analysed: Path, tmp_path: Path
) -> None:
    for other in (make_study(seeds=[0, 1]), make_study(samplers=[])):
        with pytest.raises(UserError, match="run `fmq statistics` again"):
            read_estimates(other, analysed / "statistics", "aggregates")
    with pytest.raises(UserError, match="no such file"):
        read_estimates(study, tmp_path / "elsewhere", "aggregates")
