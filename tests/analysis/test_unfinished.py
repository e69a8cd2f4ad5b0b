"""`allow_missing`: what is shown of an unfinished study, and that it says so."""

import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from helpers.analysing import TASK2, TASK4, analyse, make_study, set_latex, write_runs

from fmq.analysis.figures.comparison import write_figures
from fmq.analysis.inputs.scores import collect_scores, final_scores, load_scores, write_scores
from fmq.analysis.statistics.aggregates import (
    aggregates,
    improvement,
    profiles,
    task_means,
    write_statistics,
)
from fmq.analysis.statistics.bootstrap import bootstrap, score_matrix
from fmq.analysis.statistics.estimates import read_estimates
from fmq.analysis.tables.comparison import write_tables
from fmq.base.errors import UserError
from fmq.config.study import Study
from fmq.pipeline.analyses import score_files
from fmq.pipeline.paths import evaluation_file, run_folder
from fmq.pipeline.runs import make_run


class Made(NamedTuple):
    """An unfinished study, its results, and the folder with what became of them."""

    study: Study
    results: Path
    folder: Path


def final_matrix(study: Study, results: Path, method: str, sampler: str) -> pd.DataFrame:
    """Online success, runs x tasks."""
    final = final_scores(study, collect_scores(study, results), "online")
    return score_matrix(study, final, method, sampler)


@pytest.fixture(scope="module")
def unfinished() -> Study:
    return make_study(allow_missing=True)


@pytest.fixture(scope="module")
def made(
    unfinished: Study, results: Path, manifest: Path, tmp_path_factory: pytest.TempPathFactory
) -> Made:
    """FMQ lacks a run, MVP all runs of a task, the control's last evaluations are still to come."""
    folder = tmp_path_factory.mktemp("unfinished")
    copy = shutil.copytree(results, folder / "results")
    for task, seed, name in (
        (TASK4, 2, "finetune-fmq"),
        *((TASK4, seed, "finetune-mvp") for seed in (0, 1, 2)),
    ):
        shutil.rmtree(run_folder(make_run(unfinished, task, seed, name), copy))
    for path in copy.glob(f"runs/{TASK2}/seed[12]/finetune-mvp-no-new-data-*/last_evaluation.*"):
        path.unlink()
    analyse(unfinished, copy, folder, [manifest])
    return Made(unfinished, copy, folder)


def test_without_the_setting_it_is_refused_at_every_stage(
    study: Study, made: Made, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"14 missing: .*`allow_missing: true` shows what exists"):
        write_scores(study, made.results, tmp_path)
    for write in (write_statistics, write_tables):
        with pytest.raises(UserError, match="missing"):
            write(study, made.folder)
    with pytest.raises(UserError, match="run `fmq statistics` again"):
        read_estimates(study, made.folder / "statistics", "aggregates")


@pytest.mark.slow
def test_of_a_finished_study_the_setting_changes_no_number(
    unfinished: Study, study: Study, results: Path
) -> None:
    scores = collect_scores(unfinished, results)
    pd.testing.assert_frame_equal(scores, collect_scores(study, results))
    for stage in ("offline", "online"):
        final = final_scores(study, scores, stage)
        for function in (aggregates, profiles, task_means):
            both = (function(one, final, stage) for one in (unfinished, study))
            pd.testing.assert_frame_equal(*both)
        both = (improvement(one, final, stage) for one in (unfinished, study))
        pd.testing.assert_frame_equal(*both)


def test_the_final_score_is_never_an_earlier_one(made: Made) -> None:
    scores = load_scores(made.study, made.folder / "scores.csv")
    control = scores[(scores["method"] == "mvp-no-new-data") & (scores["task"] == TASK2)]
    assert set(control.query("seed == 1 and stage == 'online'")["step"]) == {2000, 4000, 6000}
    final = final_scores(made.study, scores, "online")
    assert set(final["step"]) == {8000}
    control = final[(final["method"] == "mvp-no-new-data") & (final["task"] == TASK2)]
    assert list(control["seed"]) == [0]


def test_a_mean_is_over_the_seeds_that_are_there(made: Made) -> None:
    means = read_estimates(made.study, made.folder / "statistics", "task_means")
    online = means[(means["stage"] == "online") & (means["measure"] == "success")]
    found = online.set_index(["task", "method", "sampler"])
    matrix = final_matrix(made.study, made.results, "fmq", "best_of_n")
    for task, runs in ((TASK2, 3), (TASK4, 2)):
        row = found.loc[(task, "fmq", "best_of_n")]
        assert row["runs"] == runs
        assert row["value"] == pytest.approx(matrix[task].mean())
        assert row["deviation"] == pytest.approx(matrix[task].std(ddof=1))
        assert row["low"] <= row["value"] <= row["high"]
    single = found.loc[(TASK2, "mvp-no-new-data", "best_of_n")]
    assert single["runs"] == 1
    assert single[["deviation", "low", "high"]].isna().all()
    assert (TASK4, "mvp", "best_of_n") not in found.index


def test_aggregates_are_over_seeds_that_have_every_task(made: Made) -> None:
    found = read_estimates(made.study, made.folder / "statistics", "aggregates")
    assert set(found[found["stage"] == "offline"]["runs"]) == {3}
    iqm = found[(found["metric"] == "iqm") & (found["stage"] == "online")]
    online = iqm.set_index(["method", "sampler"])
    assert online.loc[("fmq", "best_of_n"), "runs"] == 2
    assert online.loc[("qc", "best_of_n_euler"), "runs"] == 3
    # No seed of MVP has both tasks, and one of the control.
    assert {method for method, _ in online.index} == {"fmq", "qc"}
    matrix = final_matrix(made.study, made.results, "fmq", "best_of_n")
    mean = found.query(
        "stage == 'online' and method == 'fmq' and sampler == 'best_of_n' and metric == 'mean'"
    )["value"].item()
    assert mean == pytest.approx(matrix.loc[[0, 1]].to_numpy().mean())
    compared = read_estimates(made.study, made.folder / "statistics", "improvement")
    online = compared[compared["stage"] == "online"]
    assert dict(zip(online["other_method"], online["runs"], strict=True)) == {"fmq": 2, "qc": 2}


def test_tables_tell_n_dash_and_what_they_mean(made: Made) -> None:
    text = (made.folder / "tables" / "main.md").read_text().replace("\N{NO-BREAK SPACE}", " ")
    lines = text.splitlines()
    rows = {line.split(" | ")[0][2:]: line[2:-2].split(" | ") for line in lines if line[:2] == "| "}
    columns = rows["task"]
    cells = {name: dict(zip(columns, row, strict=True)) for name, row in rows.items()}
    last = {
        name: {k: v.rpartition(" → ")[2] for k, v in row.items()} for name, row in cells.items()
    }
    assert last["pointmaze-medium task4"]["FMQ"].endswith(" (n=2)")
    assert last["pointmaze-medium task4"]["MVP"] == "–"
    assert last["pointmaze-medium task2"]["MVP, no new data"].endswith(" (n=1)")
    assert "n=" not in last["pointmaze-medium task2"]["FMQ"]
    assert last["IQM"]["FMQ"].endswith("] (n=2)")
    assert (last["IQM"]["MVP"], last["IQM"]["MVP, no new data"]) == ("–", "–")
    assert not re.search(r"\bnan\b", "".join(lines))
    assert "**" not in "".join(lines)
    assert "(up to 3 seeds, 20 episodes per evaluation" in lines[0]
    assert "n is the number of seeds of an entry with fewer than 3; a dash has none" in lines[0]
    assert "IQM: over only the n seeds that have every task" in lines[0]
    tex = (made.folder / "tables" / "main.tex").read_text()
    assert tex.count(r"{\tiny n=2}") == "".join(lines).count("(n=2)")
    assert r"$\to$\,-- &" in tex
    assert not re.search(r"\bnan\b", tex)


def test_csv_has_the_runs_behind_each_value(made: Made) -> None:
    table = pd.read_csv(made.folder / "tables" / "main.csv")
    assert (table["value"].isna() == (table["runs"] == 0)).all()
    assert set(table["runs"]) == {0, 1, 2, 3}
    assert not table["best"].any()
    complete = table.query("stage == 'offline'")
    assert set(complete["runs"]) == {3}


def test_bold_needs_enough_seeds_in_the_whole_line(
    made: Made, results: Path, tmp_path: Path
) -> None:
    """In QC's absence nothing shows that FMQ is the best."""
    few = {"samplers": [], "methods": ["fmq", "qc"], "tasks": [TASK2]}
    study = made.study.model_copy(update=few)
    copy = shutil.copytree(results, tmp_path / "results")
    bold = []
    for gone in (None, make_run(study, TASK2, 1, "finetune-qc")):
        if gone:
            evaluation_file(gone, gone.sampler, copy).unlink()
        analyse(study, copy, tmp_path)
        table = pd.read_csv(tmp_path / "tables" / "main.csv").query("task != 'IQM'")
        bold.append(table["best"].sum())
    assert bold == [1, 0]


@pytest.mark.drawn
def test_figures_say_what_is_missing(
    made: Made, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = []
    monkeypatch.setattr("fmq.analysis.figures.drawing.footnote", lambda _, text: notes.append(text))
    folder = shutil.copytree(made.folder, tmp_path / "made")
    write_figures(made.study, folder, [manifest])
    curves, *others = notes
    assert "points are means over 1 to 3 of 3 seeds" in curves
    assert all("a row uses only the seeds that have every task, here" in n for n in others)
    assert all("intervals over up to 3 seeds" in note for note in notes)
    assert len(list(folder.glob("figures/*.pdf"))) == 4


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
def test_latex_of_gaps_compiles(made: Made, tmp_path: Path) -> None:
    tables = (made.folder / "tables" / f"{name}.tex" for name in ("main", "length"))
    assert "Overfull" not in set_latex(tmp_path, *tables)


def test_offline_training_alone_makes_tables(
    unfinished: Study, results: Path, manifest: Path, tmp_path: Path
) -> None:
    """And a data set that no run has needed yet may be missing with its runs."""
    copy = shutil.copytree(results, tmp_path / "results")
    for path in copy.glob("runs/*/seed*/finetune-*"):
        shutil.rmtree(path)
    manifests = [manifest, tmp_path / "nowhere" / "manifest.json"]
    analyse(unfinished, copy, tmp_path, manifests)
    write_figures(unfinished, tmp_path, manifests)
    table = pd.read_csv(tmp_path / "tables" / "main.csv")
    assert table[table["stage"] == "online"]["value"].isna().all()
    assert table[table["stage"] == "offline"]["value"].notna().all()
    assert read_estimates(unfinished, tmp_path / "statistics", "aggregates").shape[0]


def test_nothing_at_all_is_refused(unfinished: Study, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no evaluation of the study exists yet"):
        collect_scores(unfinished, tmp_path)


def test_a_study_of_one_seed_is_over_that_seed(tmp_path: Path) -> None:
    study = make_study(seeds=[4], allow_missing=True)
    write_runs(study, tmp_path / "results")
    analyse(study, tmp_path / "results", tmp_path)
    found = read_estimates(study, tmp_path / "statistics", "aggregates")
    assert set(found["runs"]) == {1}
    assert "Unfinished" not in (tmp_path / "tables" / "main.md").read_text()


def test_tasks_with_the_same_seeds_are_resampled_together(unfinished: Study) -> None:
    """As a matrix without gaps is, so that a gap elsewhere changes no interval."""
    final = pd.DataFrame(
        [
            {"method": "qc", "sampler": "best_of_n_euler", "task": task, "seed": seed, "success": s}
            for task in (TASK2, TASK4)
            for seed, s in enumerate((0.1, 0.6, 0.8))
        ]
    )
    study = unfinished.model_copy(update={"methods": ["qc"], "samplers": []})
    whole = score_matrix(study, final, "qc", "best_of_n_euler")
    gap = score_matrix(study, final.iloc[:-1], "qc", "best_of_n_euler")
    means = task_means(study, final.iloc[:-1].assign(length=1.0), "online")
    means = means[means["measure"] == "success"]
    assert gap.isna().sum().sum() == 1
    alone = bootstrap(study, lambda scores: scores.mean(axis=0), whole[[TASK2]])
    assert means.set_index("task").loc[TASK2, "low"] == pytest.approx(alone.low[0])
    assert list(means["runs"]) == [3, 2]


def test_the_workflow_takes_what_is_there(
    unfinished: Study, study: Study, made: Made, tmp_path: Path
) -> None:
    wanted, found = (set(score_files(one, made.results)) for one in (study, unfinished))
    assert found < wanted
    assert {file for file in wanted if not file.exists()} == wanted - found
    # Episodes whose record is lost have to be made again.
    copy = shutil.copytree(made.results, tmp_path / "results")
    run = make_run(study, TASK2, 0, "finetune-qc")
    lost = evaluation_file(run, run.sampler, copy).with_suffix(".json")
    lost.unlink()
    assert lost in score_files(unfinished, copy)
