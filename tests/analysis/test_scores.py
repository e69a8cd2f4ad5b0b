"""Collecting scores: what is read, and what is refused."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from helpers.analysing import make_study
from hypothesis import given, settings
from hypothesis import strategies as st

from fmq.analysis.inputs.evaluations import EVALUATION, read_evaluation
from fmq.analysis.inputs.scores import (
    SCORES,
    SCORES_KEY,
    collect_scores,
    comparison_rows,
    final_scores,
    load_scores,
    write_scores,
)
from fmq.base.errors import UserError
from fmq.config.study import Study
from fmq.pipeline.paths import evaluation_file
from fmq.pipeline.runs import make_run

HEADER = ",".join(EVALUATION)
GOOD = "maze,finetune-fmq,best_of_n,0,online,8000,0,1,-57.5,58"


def test_rows_are_those_of_the_study(study: Study, results: Path) -> None:
    scores = collect_scores(study, results)
    assert list(scores.columns) == list(SCORES)
    assert not scores.duplicated(list(SCORES_KEY)).any()
    # Own samplers: 2 offline and 4 online evaluations; second samplers only the last of each.
    own, second = len(study.methods), len(study.samplers)
    assert len(scores) == len(study.tasks) * len(study.seeds) * (own * 6 + second * 2)
    order = list(dict.fromkeys(zip(scores["method"], scores["sampler"], strict=True)))
    assert order == comparison_rows(study)


def test_scores_are_means_over_episodes(study: Study, results: Path) -> None:
    task = study.tasks[0]
    run = make_run(study, task, 1, "finetune-qc")
    episodes = pd.read_csv(evaluation_file(run, run.sampler, results))
    final = final_scores(study, collect_scores(study, results), "online")
    row = final[(final["task"] == task) & (final["method"] == "qc") & (final["seed"] == 1)]
    assert row["success"].item() == pytest.approx(episodes["success"].mean())
    assert row["return"].item() == pytest.approx(episodes["return"].mean())
    assert row["length"].item() == pytest.approx(episodes["length"].mean())
    assert row["step"].item() == study.online.steps


def test_methods_share_their_offline_run(study: Study, results: Path) -> None:
    scores = collect_scores(study, results)
    offline = scores[(scores["stage"] == "offline") & (scores["sampler"] == "best_of_n")]
    values = [
        part.drop(columns="method").reset_index(drop=True) for _, part in offline.groupby("method")
    ]
    assert len(values) == 3
    assert values[0].equals(values[1])
    assert values[0].equals(values[2])


def test_written_scores_read_back_exactly(study: Study, results: Path, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    write_scores(study, results, tmp_path)
    pd.testing.assert_frame_equal(load_scores(study, path), collect_scores(study, results))
    assert (tmp_path / "scores.csv-metadata.json").exists()


@settings(max_examples=8, deadline=None)
@given(data=st.data())
@pytest.mark.slow
def test_any_missing_file_is_named(study: Study, results: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(results.rglob("*.csv"))))
    moved = path.rename(path.with_suffix(".away"))
    try:
        with pytest.raises(UserError) as caught:
            collect_scores(study, results)
    finally:
        moved.rename(path)
    assert str(caught.value) == (
        f"{results}: 1 missing: {path.relative_to(results)}; make these again; "
        "`allow_missing: true` shows what exists"
    )


def test_files_beyond_the_study_are_not_read(study: Study, results: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(results, tmp_path / "results")
    run = make_run(study, study.tasks[0], 0, "finetune-fmq")
    evaluation_file(run, "one_step", copy).write_text("rubbish")
    assert collect_scores(study, copy).equals(collect_scores(study, results))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the columns"),
        ("task,seed\n", "expected the columns"),
        (f"{HEADER}\n{GOOD},9\n", "line 2 has 11 cells, expected 10"),
        (f"{HEADER}\n{GOOD}\n{GOOD}\n", "line 3 repeats"),
        (f"{HEADER}\n{GOOD.replace(',1,', ',2,')}\n", "column success: expected an integer"),
        (f"{HEADER}\n{GOOD.replace('-57.5', 'nan')}\n", "column return: expected a finite number"),
        (f"{HEADER}\n{GOOD.replace('-57.5', '-inf')}\n", "column return"),
        (f"{HEADER}\n{GOOD.replace('8000', '-1')}\n", "column step: .* at least 0, found '-1'"),
        (f"{HEADER}\n{GOOD.replace('online', 'later')}\n", "column stage: expected offline or"),
        (f"{HEADER}\n{GOOD.replace('58', '0')}\n", "column length"),
        (f"{HEADER}\n{GOOD.replace('maze', '')}\n", "column task: expected a name"),
    ],
)
def test_malformed_evaluations_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "evaluations.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_evaluation(path)


def test_an_evaluation_keeps_its_types(tmp_path: Path) -> None:
    path = tmp_path / "evaluations.csv"
    path.write_text(f"{HEADER}\n{GOOD}\n")
    types = read_evaluation(path).dtypes
    assert types["success"] == "int64"
    assert types["return"] == "float64"


def test_scores_of_another_study_are_refused(study: Study, results: Path, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    write_scores(study, results, tmp_path)
    others = {
        "56 missing: .* seed 3 offline step 5000; .*; and 46 more": make_study(seeds=[0, 1, 2, 3]),
        "56 beyond the study: .* seed 2 offline step 5000": make_study(seeds=[0, 1]),
        "beyond the study, .* missing: .* online step 8000; ": make_study(
            online=study.online.model_copy(update={"steps": 9000}).model_dump()
        ),
        "168 with other steps or episodes .* step 5000: 20 episodes, expected 30": make_study(
            evaluation=study.evaluation.model_copy(update={"episodes": 30}).model_dump()
        ),
    }
    for message, other in others.items():
        with pytest.raises(UserError, match=message):
            load_scores(other, path)


def test_a_cut_scores_file_is_refused(study: Study, results: Path, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    write_scores(study, results, tmp_path)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(UserError, match=r"1 missing: .* seed 2 online step 8000; run"):
        load_scores(study, path)
