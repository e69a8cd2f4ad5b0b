"""Comparisons and their sentences: closed forms, symmetry, wins, ties and losses in plain words."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.analysing import TASK4, make_study
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fmq.analysis.statistics.aggregates import improvement
from fmq.analysis.statistics.bootstrap import bootstrap
from fmq.analysis.statistics.comparisons import comparisons, iqm_difference
from fmq.analysis.statistics.estimates import read_estimates
from fmq.analysis.tables.sentences import comparison_sentences
from fmq.config.study import Study

rates = arrays(float, (3, 2), elements=st.integers(0, 50).map(lambda wins: wins / 50))


@pytest.fixture(scope="module")
def pair() -> Study:
    """FMQ and MVP alone."""
    return make_study(methods=["fmq", "mvp"], samplers=[])


def finals(study: Study, ours: np.ndarray, theirs: np.ndarray) -> pd.DataFrame:
    """Final scores of FMQ and MVP, each (R, T)."""
    return pd.DataFrame(
        [
            {"method": method, "sampler": "best_of_n", "task": task, "seed": seed, "success": s}
            for method, scores in (("fmq", ours), ("mvp", theirs))
            for seed, row in zip(study.seeds, scores, strict=True)
            for task, s in zip(study.tasks, row, strict=True)
        ]
    )


def compared(study: Study, ours: np.ndarray, theirs: np.ndarray) -> pd.Series:
    return comparisons(study, finals(study, ours, theirs), "online").iloc[0]


def sentence(study: Study, ours: np.ndarray, theirs: np.ndarray) -> str:
    found = comparisons(study, finals(study, ours, theirs), "online").assign(stage="online")
    (told,) = comparison_sentences(study, found)["After online training"]
    return told


def test_known_numbers(pair: Study) -> None:
    ours = np.array([[0.9, 0.2], [0.8, 0.2], [1.0, 0.2]])
    theirs = np.array([[0.5, 0.3], [0.5, 0.3], [0.5, 0.3]])
    found = compared(pair, ours, theirs)
    assert (found["tasks_above"], found["tasks_below"], found["tasks"]) == (1, 1, 2)
    # The middle half of six is the middle four less half of the outer two of them.
    assert found["difference"] == pytest.approx(
        np.sort(ours, axis=None)[1:5].mean() - np.sort(theirs, axis=None)[1:5].mean()
    )
    assert found["improvement"] == pytest.approx(0.5)
    assert (found["mean"], found["deviation"]) == pytest.approx((0.55, 0.05))
    assert (found["other_mean"], found["other_deviation"]) == pytest.approx((0.4, 0.0))


def test_runs_that_agree_have_an_interval_of_no_width(pair: Study) -> None:
    found = compared(pair, np.full((3, 2), 0.75), np.full((3, 2), 0.5))
    names = ["difference", "difference_low", "difference_high"]
    assert found[names].to_list() == pytest.approx([0.25] * 3)


def test_both_rows_are_resampled_independently(pair: Study) -> None:
    """Resampled together, equal scores would never differ."""
    scores = np.array([[0.1, 0.1], [0.5, 0.5], [0.9, 0.9]])
    found = compared(pair, scores, scores)
    assert found["difference"] == 0
    assert found["difference_low"] < -0.2
    assert found["difference_high"] > 0.2


@settings(max_examples=15, deadline=None)
@given(rates, rates)
def test_the_other_way_round_it_is_the_opposite(
    pair: Study, ours: np.ndarray, theirs: np.ndarray
) -> None:
    one, other = compared(pair, ours, theirs), compared(pair, theirs, ours)
    assert one["difference"] == pytest.approx(-other["difference"])
    assert one["improvement"] == pytest.approx(1 - other["improvement"])
    assert one["tasks_above"] == other["tasks_below"]
    assert one["difference_low"] <= one["difference"] + 1e-12
    assert one["difference"] <= one["difference_high"] + 1e-12
    assert -1 <= one["difference_low"] <= one["difference_high"] <= 1


def test_probability_of_improvement_is_that_of_its_own_file(study: Study, pair: Study) -> None:
    generator = np.random.default_rng(0)
    final = finals(pair, generator.random((3, 2)), generator.random((3, 2)))
    found, alone = comparisons(pair, final, "online"), improvement(pair, final, "online")
    names = ["improvement", "improvement_low", "improvement_high"]
    np.testing.assert_array_equal(found[names], alone[["value", "low", "high"]])
    matrices = [
        final[final["method"] == name].pivot(index="seed", columns="task", values="success")
        for name in ("fmq", "mvp")
    ]
    estimate = bootstrap(pair, iqm_difference, *matrices)
    assert found["difference_low"].item() == pytest.approx(estimate.low[0])


def test_wins_losses_and_ties_are_told_alike(pair: Study) -> None:
    high, low = np.full((3, 2), 0.8), np.full((3, 2), 0.4)
    mixed = np.array([[0.8, 0.4]] * 3)
    mirrored = mixed[:, ::-1]
    assert sentence(pair, high, low) == (
        "FMQ above MVP on 2 of 2 tasks; IQM difference 40.0 [40.0, 40.0]; probability of "
        "improvement 100.0 [100.0, 100.0]; mean success 80.0 ± 0.0 against 40.0 ± 0.0; "
        "3 seeds each."
    )
    assert sentence(pair, low, high).startswith(
        "FMQ below MVP on 2 of 2 tasks; IQM difference -40.0 [-40.0, -40.0]; probability of "
        "improvement 0.0 [0.0, 0.0]; "
    )
    assert sentence(pair, high, high).startswith(
        "FMQ equal to MVP on 2 of 2 tasks; IQM difference 0.0 [0.0, 0.0], which does not "
        "exclude 0; probability of improvement 50.0"
    )
    assert sentence(pair, mixed, mirrored).startswith(
        "FMQ and MVP even: of 2 tasks, above on 1 and below on 1; "
    )
    assert sentence(pair, high, mixed).startswith("FMQ above MVP on 1 of 2 tasks, equal on 1; ")
    assert sentence(pair, low, mixed).startswith("FMQ below MVP on 1 of 2 tasks, equal on 1; ")


def test_means_that_differ_in_the_last_digit_are_equal(pair: Study) -> None:
    ours = np.array([[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]])
    assert compared(pair, ours, ours[::-1] + 1e-15)[["tasks_above", "tasks_below"]].sum() == 0


def test_one_seed_says_that_there_is_no_interval() -> None:
    study = make_study(methods=["fmq", "mvp"], samplers=[], seeds=[5])
    told = sentence(study, np.array([[0.8, 0.4]]), np.array([[0.4, 0.4]]))
    assert told == (
        "FMQ above MVP on 1 of 2 tasks, equal on 1; IQM difference 20.0; probability of "
        "improvement 75.0; mean success 60.0 against 40.0; one seed each, so that there is no "
        "interval and no spread."
    )


def test_what_cannot_be_compared_yet_is_named() -> None:
    study = make_study(methods=["fmq", "mvp"], samplers=[], allow_missing=True)
    final = finals(study, np.full((3, 2), 0.8), np.full((3, 2), 0.4))
    gone = (final["method"] == "mvp") & (final["task"] == TASK4) & (final["seed"] > 0)
    found = comparisons(study, final[~gone], "online").assign(stage="online")
    assert found.empty
    sentences = comparison_sentences(study, found)
    # Offline both are one checkpoint under one sampler.
    (told,) = sentences["After offline training"]
    assert told == "No row differs from FMQ in checkpoint or sampler."
    (told,) = sentences["After online training"]
    assert told == (
        "FMQ and MVP cannot be compared yet: for one of them, fewer than 2 seeds have every task."
    )


def test_files_tell_every_comparison_of_the_study(study: Study, analysed: Path) -> None:
    found = read_estimates(study, analysed / "statistics", "comparisons")
    # Online FMQ+QGBS, MVP, MVP+QGBS, QC and the control; offline QGBS and QC alone differ.
    assert found.groupby("stage").size().to_dict() == {"offline": 2, "online": 5}
    assert (analysed / "statistics" / "comparisons.csv-metadata.json").exists()
    text = (analysed / "tables" / "comparisons.md").read_text()
    tex = (analysed / "tables" / "comparisons.tex").read_text()
    assert text.count("IQM difference") == tex.count(r"\item FMQ") == 7
    assert text.index("After online training:") < text.index("After offline training:")
    for written in (text, tex):
        assert "not the official data set" in written
        assert "0" * 64 in written
