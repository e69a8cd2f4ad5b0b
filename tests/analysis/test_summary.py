"""What a study comes to: who leads, by how much, and what cannot be said."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.analysing import TASK2, make_study

from fmq.analysis.inputs.scores import comparison_rows
from fmq.analysis.statistics.comparisons import comparisons
from fmq.analysis.statistics.estimates import METRICS
from fmq.analysis.tables.pages import write_summary_page
from fmq.analysis.tables.summary import summary_sentences
from fmq.base.errors import UserError
from fmq.config.study import Study


def told(study: Study, **success: float | list[float]) -> list[str]:
    """Return the sentences on runs with a success for each method, or for each of its seeds."""
    rows = [
        {"task": task, "seed": seed, "success": float(value), "method": method, "sampler": sampler}
        for method, sampler in comparison_rows(study)
        for task in study.tasks
        for seed, value in zip(
            study.seeds, np.broadcast_to(success[method], len(study.seeds)), strict=True
        )
    ]
    final = pd.DataFrame(rows)
    parts = []
    for row, own in final.groupby(["method", "sampler"], sort=False):
        value = METRICS["iqm"](own["success"].to_numpy()[None])
        ends = (float("nan"),) * 2 if len(study.seeds) == 1 else (value, value)
        parts.append((*row, value, *ends, len(study.seeds), len(study.tasks)))
    columns = ["method", "sampler", "value", "low", "high", "runs", "tasks"]
    aggregates = pd.DataFrame(parts, columns=columns).assign(stage="online", metric="iqm")
    found = comparisons(study, final, "online").assign(stage="online")
    return summary_sentences(study, aggregates, found)


@pytest.fixture(scope="module")
def trio() -> Study:
    return make_study(methods=["fmq", "mvp", "qc"], samplers=[])


def test_the_leader_and_the_strongest_other_method_are_named(trio: Study) -> None:
    lead, difference, limits = told(trio, fmq=0.8, mvp=0.3, qc=0.4)
    assert "FMQ (80.0 [80.0, 80.0] percent) has the highest" in lead
    assert "over 2 tasks and 3 seeds" in lead
    assert "40.0 [40.0, 40.0] percentage points above the strongest other method, QC;" in difference
    assert "100.0 [100.0, 100.0] percent" in difference
    assert "higher on 2 of 2 tasks and lower on 0; the intervals rest on 3 seeds" in limits


def test_a_loss_is_told_as_a_loss(trio: Study) -> None:
    lead, difference, limits = told(trio, fmq=0.2, mvp=0.7, qc=0.4)
    assert "MVP (70.0 [70.0, 70.0] percent) has the highest" in lead
    assert "50.0 [50.0, 50.0] percentage points below the strongest other method, MVP" in difference
    assert "0.0 [0.0, 0.0] percent." in difference
    assert "higher on 0 of 2 tasks and lower on 2" in limits


def test_an_interval_with_0_inside_shows_nobody_ahead(trio: Study) -> None:
    _, difference, _ = told(trio, fmq=[0.1, 0.5, 0.9], mvp=[0.2, 0.4, 0.7], qc=0.0)
    assert "includes 0, so that neither is shown to be ahead" in difference
    lead, difference, _ = told(trio, fmq=0.5, mvp=0.5, qc=0.0)
    each = "(50.0 [50.0, 50.0] percent)"
    assert f"FMQ {each} and MVP {each} have the highest" in lead
    assert "neither is shown to be ahead" in difference


def test_one_task_and_one_seed_say_what_cannot_be_said() -> None:
    study = make_study(methods=["fmq", "mvp"], samplers=[], seeds=[3], tasks=[TASK2])
    sentences = told(study, fmq=0.8, mvp=0.4)
    assert "40.0 percentage points above" in sentences[1]
    assert "probability" not in sentences[1]
    assert "nothing is said of other tasks" in sentences[2]
    assert "with one seed there is no interval" in sentences[2]
    assert not any("nan" in sentence or "[" in sentence for sentence in sentences)


def test_without_another_method_nothing_is_compared() -> None:
    study = make_study(methods=["fmq"], samplers=[])
    assert "Nothing else can be compared with FMQ" in told(study, fmq=0.8)[1]


def test_the_page_has_the_table_and_the_curves_within(
    study: Study, analysed: Path, tmp_path: Path
) -> None:
    (tmp_path / "statistics").symlink_to(analysed / "statistics")
    (tmp_path / "tables").symlink_to(analysed / "tables")
    (tmp_path / "scores.csv").symlink_to(analysed / "scores.csv")
    (tmp_path / "scores.csv-metadata.json").symlink_to(analysed / "scores.csv-metadata.json")
    with pytest.raises(UserError, match="run `fmq figures`"):
        write_summary_page(study, tmp_path, tmp_path / "summary.html")
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "learning_curves.png").write_bytes(b"a picture")
    write_summary_page(study, tmp_path, tmp_path / "summary.html")
    text = (tmp_path / "summary.html").read_text()
    assert text.index("the highest interquartile mean") < text.index("<table") < text.index("<img")
    assert "data:image/png;base64,YSBwaWN0dXJl" in text
    assert "sha256" not in text
