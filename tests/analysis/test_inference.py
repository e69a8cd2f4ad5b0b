"""Costs and success of samplers, from made-up measurements."""

from pathlib import Path

import pandas as pd
import pytest
from helpers.analysing import make_study, write_ablation_runs, write_runs

from fmq.acting.inference import COLUMNS
from fmq.analysis.evidence.inference import read_costs, write_inference_report
from fmq.base.errors import UserError
from fmq.config.samplers import SAMPLERS
from fmq.config.study import Study
from fmq.pipeline.paths import costs_file
from fmq.pipeline.variants import inference_rows

Rows = list[dict[str, object]]


def measured(study: Study, task: str) -> Rows:
    """What `fmq inference` would write, with a millisecond per evaluation."""
    rows: Rows = []
    for run, sampler in inference_rows(study):
        base, sampling = study.sampler(sampler)
        count = SAMPLERS[base].evaluations(sampling)
        rows.append(
            dict.fromkeys(COLUMNS, count)
            | {"task": task, "run": run, "sampler": sampler, "seed": study.seeds[0]}
        )
    return rows


def write(study: Study, results: Path, change=lambda rows: rows) -> None:
    for task in study.tasks:
        frame = pd.DataFrame(change(measured(study, task)), columns=list(COLUMNS))
        path = costs_file(study, task, results)
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_csv(path, index=False)


@pytest.fixture(scope="module")
def results(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inference")
    write_runs(study, folder)
    write_ablation_runs(study, folder)
    return folder


@pytest.mark.drawn
def test_every_sampler_has_its_line(
    study: Study, results: Path, manifest: Path, tmp_path: Path
) -> None:
    write(study, results)
    write_inference_report(study, results, tmp_path, [manifest])
    out = tmp_path / "inference"
    names = {f"inference.{end}" for end in ("csv", "csv-metadata.json", "tex", "md", "pdf", "png")}
    assert {path.name for path in out.iterdir()} == names
    table = pd.read_csv(out / "inference.csv")
    assert len(table) == len(inference_rows(study))
    assert table["value"].between(0, 1).all()
    qc = table[table["method"] == "qc"]
    assert qc["evaluations"].item() == study.sampling.samples * study.sampling.flow_steps


def test_a_count_beside_its_formula_is_shown(
    study: Study, results: Path, manifest: Path, tmp_path: Path
) -> None:
    def more(rows: Rows) -> Rows:
        return [row | {"evaluations": int(str(row["evaluations"])) + 1} for row in rows]

    write(study, results, more)
    write_inference_report(study, results, tmp_path, [manifest])
    text = (tmp_path / "inference" / "inference.md").read_text()
    assert "(formula: 20)" in text


def test_counts_of_two_settings_are_refused(study: Study, tmp_path: Path) -> None:
    write(study, tmp_path)
    path = costs_file(study, study.tasks[0], tmp_path)
    frame = pd.read_csv(path)
    frame["evaluations"] += 1
    frame.to_csv(path, index=False)
    with pytest.raises(UserError, match="with different settings; run `fmq inference` again"):
        read_costs(study, tmp_path)


def test_other_samplers_are_refused(study: Study, tmp_path: Path) -> None:
    write(study, tmp_path, lambda rows: rows[1:])
    with pytest.raises(UserError, match="methods or samplers are not the study's"):
        read_costs(study, tmp_path)


def test_nothing_measured_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing measured yet; run `snakemake inference`"):
        read_costs(make_study(allow_missing=True), tmp_path)
