"""The report of `fmq diagnose`, from made-up measurements with numbers known by hand."""

import json
import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.analysing import TASK2, TASK4, data_record, make_study

from fmq.analysis.evidence.diagnosis import write_diagnosis
from fmq.analysis.evidence.diagnosis_columns import MEASURED, REPORTED
from fmq.analysis.inputs.csvw import read_table
from fmq.analysis.statistics.diagnosis import mean_interval, rank_correlation
from fmq.base.errors import UserError
from fmq.base.files import write_json
from fmq.config.study import Study
from fmq.pipeline.diagnosis import MEASUREMENTS, diagnosed_names, diagnosed_runs
from fmq.pipeline.measured import RECORD, run_digests
from fmq.pipeline.paths import diagnosis_folder

EPISODES = 4
SAMPLES = [(0.0, 0.0), (5.0, 3.0), (1.0, 6.0), (2.0, 3.0)]
"""Q and return of candidates: the second has the highest Q, the third the highest return."""
MOVED = {"guided": 2.0, "against": -1.0, "random": 0.5}


def decisions(run: str, promised: float) -> list[dict[str, object]]:
    """Decisions whose Q is too high by `promised` and, in turn, by one more or less."""
    outcomes = [-8.0, -4.0, -2.0, -1.0]
    return [
        {"run": run, "episode": episode, "decision": place, "q": outcome + promised + wrong}
        | {"return": outcome, "success": 1}
        for episode in range(EPISODES)
        for place, (outcome, wrong) in enumerate(zip(outcomes, (1, -1, 1, -1), strict=True))
    ]


def tried(run: str) -> list[dict[str, object]]:
    """The same chunks at every state; those of the last are worth ten times as much."""
    rows: list[dict[str, object]] = []
    for episode in range(EPISODES):
        scale = 10 if episode == EPISODES - 1 else 1
        chunks = [("candidate", number, *values) for number, values in enumerate(SAMPLES)]
        chunks += [(kind, 0, 9.0, gain) for kind, gain in MOVED.items()]
        rows += [
            {"run": run, "episode": episode, "decision": 2, "kind": kind, "number": number}
            | {"q": q, "return": scale * value, "success": int(value >= 3)}
            for kind, number, q, value in chunks
        ]
    return rows


def write(study: Study, results: Path) -> None:
    """Write measurements of all tasks and seeds; offline critics are right but for the noise."""
    for task, seed in product(study.tasks, study.seeds):
        folder = diagnosis_folder(study, task, seed, results)
        folder.mkdir(parents=True)
        runs = diagnosed_runs(study, task, seed)
        data = {run.name: data_record(run)["dataset"] for run in runs}
        record = {"runs": run_digests(runs), "checkpoint": {}, "dataset": data}
        write_json(folder / RECORD, record)
        names = [run.name for run in runs]
        rows = (
            [row for name in names for row in decisions(name, 3.0 * name.startswith("finetune"))],
            [row for name in names for row in tried(name)],
        )
        for name, table in zip(MEASUREMENTS, rows, strict=True):
            frame = pd.DataFrame(table, columns=list(MEASURED[name][0]))
            frame.to_csv(folder / f"{name}.csv", index=False)


def report(study: Study, results: Path, folder: Path, *manifests: Path) -> pd.DataFrame:
    write_diagnosis(study, results, folder, manifests)
    path = folder / "diagnosis" / "diagnosis.csv"
    return read_table(path, REPORTED, ["task", "run"]).set_index(["task", "run"])


@pytest.fixture
def measured(study: Study, tmp_path: Path) -> Path:
    write(study, tmp_path / "results")
    return tmp_path / "results"


def test_numbers_are_those_by_hand(study: Study, measured: Path, tmp_path: Path) -> None:
    table = report(study, measured, tmp_path)
    assert list(table.index) == list(product(study.tasks, diagnosed_names(study)))
    row = table.loc[(TASK2, "finetune-fmq")]
    assert (row["seeds"], row["decisions"], row["states"], row["ranked"]) == (3, 48, 12, 12)
    assert row["bias"] == pytest.approx(3)
    assert row["error"] == pytest.approx(10**0.5)
    assert row["rank"] == pytest.approx(0.8)  # one pair of neighbours changes places
    assert table.loc[(TASK2, "distill-esd"), "bias"] == pytest.approx(0)
    assert table.loc[(TASK2, "distill-esd"), "error"] == pytest.approx(1)
    # Ranks 1, 4, 2, 3 of Q against 1, 2.5, 4, 2.5 of the returns.
    expected = np.corrcoef([1, 4, 2, 3], [1, 2.5, 4, 2.5])[0, 1]
    assert row["state_rank"] == pytest.approx(expected)
    assert row["state_rank_low"] == pytest.approx(row["state_rank_high"])
    # Three states of four with mean 3, and one with ten times as much.
    weight = (3 + 10) / 4
    gains = {"top": 0.0, "best": 3.0, **MOVED}
    assert {name: row[name] for name in gains} == pytest.approx(
        {name: gain * weight for name, gain in gains.items()}
    )
    assert 2 <= row["guided_low"] < row["guided"] < row["guided_high"] < 20
    assert row["success_mean"] == 0.75
    assert (row["success_top"], row["success_guided"], row["success_random"]) == (1, 0, 0)


@pytest.mark.drawn
def test_files_are_all_there_and_the_same_twice(
    study: Study, measured: Path, tmp_path: Path, manifest: Path
) -> None:
    report(study, measured, tmp_path, manifest)
    folder = tmp_path / "diagnosis"
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    pictures = {f"{name}.{kind}" for name in ("calibration", "branches") for kind in ("pdf", "png")}
    tables = {f"{name}.{kind}" for name in ("calibration", "branches") for kind in ("md", "tex")}
    assert set(first) == pictures | tables | {"diagnosis.csv", "diagnosis.csv-metadata.json"}
    assert all(first[name].startswith((b"%PDF", b"\x89PNG")) for name in pictures)
    calibration, branches = (
        first[f"{name}.md"].decode().replace("\xa0", " ") for name in ("calibration", "branches")
    )
    assert "| pointmaze-medium task2 | offline (QC) | 48 | 0.00 | 1.00 | 0.80 | 12 |" in calibration
    assert "| 75 / 100 / 0 / 0 |" in branches
    report(study, measured, tmp_path, manifest)
    assert first == {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.drawn
def test_an_unfinished_study_shows_what_is_there(
    study: Study, measured: Path, tmp_path: Path
) -> None:
    unfinished = make_study(allow_missing=True)
    for seed in study.seeds:
        shutil.rmtree(diagnosis_folder(study, TASK4, seed, measured))
    (diagnosis_folder(study, TASK2, 0, measured) / RECORD).unlink()
    with pytest.raises(UserError, match=r"no record of measurements; run `fmq diagnose \S+task2"):
        report(study, measured, tmp_path)
    table = report(unfinished, measured, tmp_path)
    assert set(table.index.get_level_values("task")) == {TASK2}
    assert (table["seeds"] == 2).all()
    for name in MEASUREMENTS:
        text = (tmp_path / "diagnosis" / f"{name}.md").read_text()
        assert "on 2 of 3 seeds" in text.replace("\N{NO-BREAK SPACE}", " ")
    shutil.rmtree(measured)
    with pytest.raises(UserError, match="no measurements yet; run `snakemake diagnose`"):
        report(unfinished, measured, tmp_path)


@pytest.mark.parametrize("found", ["runs", "dataset"])
def test_measurements_of_other_runs_or_data_are_refused(
    study: Study, measured: Path, tmp_path: Path, manifest: Path, found: str
) -> None:
    record = diagnosis_folder(study, TASK4, 1, measured) / RECORD
    values = json.loads(record.read_text())
    other = dict.fromkeys(values["dataset"]["finetune-qc"], "1" * 64)
    values[found]["finetune-qc"] = other if found == "dataset" else "1" * 64
    write_json(record, values)
    with pytest.raises(UserError, match=r"other .*run `fmq diagnose \S+task4-v0 --seed 1"):
        report(study, measured, tmp_path, manifest)


def test_one_seed_and_an_imported_method(tmp_path: Path) -> None:
    rows = {"authors": {"label": "Theirs", "files": "{task}-{seed}.pkl"}}
    study = make_study(seeds=[1], methods=["fmq", "authors"], imported=rows)
    write(study, tmp_path / "results")
    table = report(study, tmp_path / "results", tmp_path)
    assert list(table.loc[TASK2, "label"]) == ["offline", "FMQ", "Theirs"]
    assert table["guided_low"].notna().all()  # over states


def test_correlations_and_intervals_that_are_not_defined_are_empty(study: Study) -> None:
    assert np.isnan(rank_correlation(pd.Series([1.0, 2.0]), pd.Series([3.0, 3.0])))
    assert np.isnan(mean_interval(study, pd.Series([np.nan]))).all()
    value, low, high = mean_interval(study, pd.Series([2.0, np.nan]))
    assert (value, np.isnan(low), np.isnan(high)) == (2.0, True, True)
