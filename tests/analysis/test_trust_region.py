"""Drift against the trust region: known values, gaps, one seed, what does not belong."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.analysing import TASK2, TASK4, make_study, write_runs
from helpers.curves import CHUNK_NUMBERS, write_metrics

from fmq.analysis.evidence.trust_region import TRUST_REGION, write_trust_region
from fmq.analysis.inputs.csvw import read_table
from fmq.base.errors import UserError
from fmq.config.study import Study
from fmq.pipeline.paths import run_folder
from fmq.pipeline.runs import make_run

LEVEL = {"fmq": 0.4, "mvp": 0.1, "mvp-no-new-data": 0.02, "qc": 7.0}


def drift(task: str, method: str, seed: int, step: int) -> float:
    """Ten times as much in the first half of 8,000 steps; seeds differ by a tenth."""
    return LEVEL[method] * (1 + 0.1 * (seed - 1)) * (10 if step <= 4000 else 1)


def report(study: Study, results: Path, folder: Path) -> pd.DataFrame:
    """The table of `results`, in the order of its task and method."""
    write_trust_region(study, results, folder)
    path = folder / "trust_region" / "trust_region.csv"
    return read_table(path, TRUST_REGION, ["task", "method"]).set_index(["task", "method"])


def folder_of(study: Study, task: str, seed: int, method: str, results: Path) -> Path:
    """Return the folder of a fine-tuning run."""
    return run_folder(make_run(study, task, seed, f"finetune-{method}"), results)


@pytest.fixture
def copy(study: Study, results: Path, tmp_path: Path) -> Path:
    """A results folder of runs with known metrics, to be changed."""
    folder = shutil.copytree(results, tmp_path / "results")
    write_metrics(study, folder, drift, radius=0.5)
    return folder


def test_the_second_half_counts_and_the_radius_is_squared(
    study: Study, copy: Path, tmp_path: Path
) -> None:
    table = report(study, copy, tmp_path)
    # QC's policy is no flow map.
    assert list(table.index) == [
        (task, method) for method in ("fmq", "mvp", "mvp-no-new-data") for task in study.tasks
    ]
    for method in ("fmq", "mvp", "mvp-no-new-data"):
        found = table.loc[(TASK4, method)]
        assert found["drift"] == pytest.approx(LEVEL[method])
        assert found["deviation"] == pytest.approx(0.1 * LEVEL[method])
        assert found["ratio"] == pytest.approx(LEVEL[method] / 0.25)
        assert 0.9 * LEVEL[method] <= found["low"] < found["high"] <= 1.1 * LEVEL[method]
    assert table["radius_squared"].to_numpy() == pytest.approx(0.25)
    assert (table["runs"] == 3).all()


def test_the_drift_may_be_a_mean_over_the_chunk(study: Study, copy: Path, tmp_path: Path) -> None:
    """The radius is divided by H*A as well, and everything says so."""
    mean = make_study(statistics=study.statistics.model_dump() | {"drift": "mean"})
    table = report(mean, copy, tmp_path)
    assert table.loc[(TASK4, "fmq"), "drift"] == pytest.approx(LEVEL["fmq"] / CHUNK_NUMBERS)
    assert table["radius_squared"].to_numpy() == pytest.approx(0.25 / CHUNK_NUMBERS)
    assert table.loc[(TASK4, "mvp"), "ratio"] == pytest.approx(LEVEL["mvp"] / 0.25)
    text = (tmp_path / "trust_region" / "trust_region.md").read_text()
    assert "| task | eta_eff²/HA |" in text
    assert "updates, divided by the HA numbers of a chunk" in text


@pytest.mark.drawn
def test_files_are_all_there_and_the_same_twice(study: Study, copy: Path, tmp_path: Path) -> None:
    report(study, copy, tmp_path)
    folder = tmp_path / "trust_region"
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    suffixes = ("csv", "csv-metadata.json", "md", "tex", "pdf", "png")
    assert set(first) == {f"trust_region.{suffix}" for suffix in suffixes}
    report(study, copy, tmp_path)
    assert first == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_run_without_measurements_is_a_gap(study: Study, copy: Path, tmp_path: Path) -> None:
    """Fewer updates than `log_every`: the file has an empty header."""
    (folder_of(study, TASK2, 1, "fmq", copy) / "metrics.csv").write_text("\n")
    for seed in study.seeds:
        (folder_of(study, TASK4, seed, "mvp", copy) / "metrics.csv").write_text("\n")
    table = report(study, copy, tmp_path)
    assert table.loc[(TASK2, "fmq"), "runs"] == 2
    assert table.loc[(TASK2, "fmq"), "drift"] == pytest.approx(LEVEL["fmq"])
    assert table.loc[(TASK4, "mvp"), "runs"] == 0
    assert np.isnan(table.loc[(TASK4, "mvp"), "drift"])
    text = (tmp_path / "trust_region" / "trust_region.md").read_text()
    assert ", n=2 |" in text
    assert "n is the number of seeds of an entry that lacks some; a dash has none." in text
    assert re.search(r"\bnan\b", text) is None


def test_an_unfinished_study_shows_what_is_there(study: Study, copy: Path, tmp_path: Path) -> None:
    unfinished = make_study(allow_missing=True)
    for seed in study.seeds:
        shutil.rmtree(folder_of(study, TASK4, seed, "fmq", copy))
    table = report(unfinished, copy, tmp_path)
    assert table.loc[(TASK4, "fmq"), "runs"] == 0
    # Without FMQ there is no radius to hold MVP against.
    assert table.loc[(TASK4, "mvp"), ["radius_squared", "ratio"]].isna().all()
    assert table.loc[(TASK4, "mvp"), "drift"] == pytest.approx(LEVEL["mvp"])
    shutil.rmtree(copy)
    with pytest.raises(UserError, match="no measurement of a fine-tuned flow map yet"):
        report(unfinished, copy, tmp_path)


def test_one_seed_has_neither_deviation_nor_interval(tmp_path: Path) -> None:
    study = make_study(seeds=[1])
    write_runs(study, tmp_path)
    write_metrics(study, tmp_path, drift, radius=0.5)
    table = report(study, tmp_path, tmp_path)
    assert table["drift"].to_numpy() == pytest.approx(np.repeat([0.4, 0.1, 0.02], 2))
    assert table[["deviation", "low", "high"]].isna().all(axis=None)
    text = (tmp_path / "trust_region" / "trust_region.md").read_text()
    assert "One seed: no deviation and no interval." in text


def test_what_does_not_belong_is_refused(study: Study, copy: Path, tmp_path: Path) -> None:
    out = tmp_path / "trust_region"
    with pytest.raises(UserError, match="none has a flow map"):
        write_trust_region(make_study(methods=["qc"]), copy, tmp_path)
    metrics = folder_of(study, TASK2, 0, "mvp", copy) / "metrics.csv"
    text = metrics.read_text()
    for damaged, told in (
        (text.replace("drift,", "rate,"), "expected the columns"),
        (text[:-1], "cut off"),
        (text.replace("8000,", "9000,"), "has a step 9000, expected at most 8000"),
        (text.replace("7000,", "8000,"), "repeats step 8000"),
    ):
        metrics.write_text(damaged)
        with pytest.raises(UserError, match=told):
            write_trust_region(study, copy, tmp_path)
    metrics.write_text(text)
    provenance = folder_of(study, TASK2, 0, "fmq", copy) / "provenance.json"
    provenance.write_text(provenance.read_text().replace("0" * 64, "1" * 64))
    with pytest.raises(UserError, match=r"of other data: .* expected 1111"):
        write_trust_region(study, copy, tmp_path)
    metrics = provenance.with_name("metrics.csv")
    metrics.unlink()
    with pytest.raises(UserError, match="1 missing"):
        write_trust_region(study, copy, tmp_path)
    assert not out.exists()
