"""Tables and figure of the ablations, from made-up episodes."""

from pathlib import Path

import pandas as pd
import pytest
from helpers.analysing import make_study, write_ablation_runs

from fmq.analysis.evidence.ablations import write_ablations
from fmq.analysis.statistics.last_checkpoints import collect, interval_words, percent, summarise
from fmq.base.errors import UserError
from fmq.config.study import Study
from fmq.config.tasks import IQM
from fmq.pipeline.variants import ablation_rows

OUTPUTS = {
    *(f"{name}.csv{end}" for name in ("scores", "summary") for end in ("", "-metadata.json")),
    *(f"{name}.{end}" for name in ("offline", "training", "sampling") for end in ("tex", "md")),
    *("ablations.pdf", "ablations.png"),
}


@pytest.fixture(scope="module")
def written(study: Study, manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ablations")
    write_ablation_runs(study, folder / "results")
    write_ablations(study, folder / "results", folder, [manifest])
    return folder


def test_every_promised_output_is_there(written: Path) -> None:
    assert {path.name for path in (written / "ablations").iterdir()} == OUTPUTS


def test_every_variant_has_its_own_line_and_numbers(study: Study, written: Path) -> None:
    scores = pd.read_csv(written / "ablations" / "scores.csv")
    summary = pd.read_csv(written / "ablations" / "summary.csv")
    for row in ablation_rows(study):
        own = scores[(scores["run"] == row.run) & (scores["sampler"] == row.sampler)]
        assert len(own) == len(study.tasks) * len(study.seeds)
        line = summary[(summary["label"] == row.label) & (summary["group"] == row.group)]
        for task in study.tasks:
            value = line.loc[line["task"] == task, "value"].item()
            assert value == pytest.approx(own.loc[own["task"] == task, "success"].mean())
        text = (written / "ablations" / f"{row.group}.md").read_text()
        assert sum(one.startswith(f"| {row.label} |") for one in text.splitlines()) == 1


def test_the_interval_holds_the_value(written: Path) -> None:
    summary = pd.read_csv(written / "ablations" / "summary.csv")
    assert (summary["low"] <= summary["value"] + 1e-12).all()
    assert (summary["value"] <= summary["high"] + 1e-12).all()
    assert (summary["low"] < summary["high"]).any()


def test_what_is_missing_is_named(study: Study, written: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"missing: .*`snakemake ablations` makes them"):
        collect(study, tmp_path, [], [("finetune-fmq@lsd", "best_of_n")], "ablations")


def test_an_unfinished_study_shows_what_is_there(study: Study, written: Path) -> None:
    unfinished = make_study(allow_missing=True)
    rows = [("finetune-fmq", "best_of_n"), ("finetune-fmq@eta-0.5", "euler")]
    scores = collect(unfinished, written / "results", [], rows, "ablations")
    assert set(scores["sampler"]) == {"best_of_n"}
    summary = summarise(unfinished, scores)
    assert len(summary) == 1 + len(study.tasks)
    assert not any("n=" in percent(study, row) for _, row in summary.iterrows())
    assert "Unfinished" not in interval_words(study, summary)
    fewer = summarise(unfinished, scores.drop(index=scores.index[0]))
    lacking = [row["task"] for _, row in fewer.iterrows() if "(n=2)" in percent(study, row)]
    assert lacking == [IQM, scores["task"].iloc[0]]
    assert "Unfinished" in interval_words(study, fewer)


def test_a_changed_variant_is_another_run(study: Study, written: Path) -> None:
    other = study.ablations.model_dump()
    other["methods"]["fmq@eta-0.5"]["fmq"]["eta"] = 0.75
    rows = [("finetune-fmq", "best_of_n"), ("finetune-fmq@eta-0.5", "best_of_n")]
    assert len(collect(study, written / "results", [], rows, "ablations")) == 12
    with pytest.raises(UserError, match=r": 6 missing: .*/finetune-fmq@eta-0\.5-"):
        collect(make_study(ablations=other), written / "results", [], rows, "ablations")
