"""Costs and success of samplers, from made-up measurements."""

from pathlib import Path

import pandas as pd
import pytest

from fmq.analysis.inference import read_costs, write_inference_report
from fmq.errors import UserError
from fmq.inference import COLUMNS, formula
from fmq.settings import Study
from fmq.variants import inference_rows

Rows = list[dict[str, object]]


def measured(study: Study, task: str) -> Rows:
    """What `fmq inference` would write, with a millisecond per evaluation."""
    rows: Rows = []
    for run, sampler in inference_rows(study):
        count = formula(*study.sampler(sampler))
        rows.append(
            dict.fromkeys(COLUMNS, count)
            | {"task": task, "run": run, "sampler": sampler, "seed": study.seeds[0]}
        )
    return rows


def write(study: Study, runs: Path, change=lambda rows: rows) -> None:
    for task in study.tasks:
        path = runs / task / f"seed{study.seeds[0]}" / "inference.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame = pd.DataFrame(change(measured(study, task)), columns=list(COLUMNS))
        frame.to_csv(path, index=False)


@pytest.fixture(scope="module")
def runs(
    study: Study, runs_writer, ablation_runs_writer, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("inference")
    runs_writer(study, folder)
    ablation_runs_writer(study, folder)
    write(study, folder)
    return folder


@pytest.mark.drawn
def test_every_sampler_has_its_line(
    study: Study, runs: Path, manifest: Path, tmp_path: Path
) -> None:
    write_inference_report(study, runs, [manifest], tmp_path)
    names = {f"inference.{end}" for end in ("csv", "csv-metadata.json", "tex", "md", "pdf", "png")}
    assert {path.name for path in tmp_path.iterdir()} == names
    table = pd.read_csv(tmp_path / "inference.csv")
    assert len(table) == len(inference_rows(study))
    assert table["value"].between(0, 1).all()
    qc = table[table["method"] == "qc"]
    assert qc["evaluations"].item() == study.sampling.samples * study.sampling.flow_steps


def test_a_count_beside_its_formula_is_shown(
    study: Study, runs: Path, manifest: Path, tmp_path: Path
) -> None:
    other = tmp_path / "runs"
    other.mkdir()
    for task in study.tasks:
        (other / task).mkdir()
        for folder in (runs / task).iterdir():
            (other / task / folder.name).mkdir()
            for file in folder.iterdir():
                (other / task / folder.name / file.name).symlink_to(file)
        (other / task / f"seed{study.seeds[0]}" / "inference.csv").unlink()

    def more(rows: Rows) -> Rows:
        return [row | {"evaluations": int(str(row["evaluations"])) + 1} for row in rows]

    write(study, other, more)
    write_inference_report(study, other, [manifest], tmp_path / "out")
    text = (tmp_path / "out" / "inference.md").read_text()
    assert "(formula: 20)" in text


def test_counts_of_two_settings_are_refused(study: Study, tmp_path: Path) -> None:
    write(study, tmp_path)
    path = tmp_path / study.tasks[0] / f"seed{study.seeds[0]}" / "inference.csv"
    frame = pd.read_csv(path)
    frame["evaluations"] += 1
    frame.to_csv(path, index=False)
    with pytest.raises(UserError, match="of several settings; run `fmq inference` again"):
        read_costs(study, tmp_path)


def test_other_samplers_are_refused(study: Study, tmp_path: Path) -> None:
    write(study, tmp_path, lambda rows: rows[1:])
    with pytest.raises(UserError, match="of other methods or samplers"):
        read_costs(study, tmp_path)


def test_nothing_measured_is_told(study_maker, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing measured yet; `snakemake inference` does"):
        read_costs(study_maker(allow_missing=True), tmp_path)
