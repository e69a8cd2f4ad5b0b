"""`fmq theory` and its report on the smoke study's own runs, from checkpoints to tables."""

import json
import shutil
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import pytest
from helpers.runs import TASK

from fmq.analysis.evidence import theory as report
from fmq.analysis.evidence.theory import write_theory
from fmq.analysis.evidence.theory_columns import MEASURED
from fmq.analysis.figures.style import STYLE
from fmq.analysis.figures.theory_figures import FIGURES
from fmq.base.errors import UserError
from fmq.config.study import Study
from fmq.pipeline.paths import manifest_file, run_folder, theory_folder
from fmq.pipeline.runs import make_run
from fmq.pipeline.theory import MEASUREMENTS, theory_runs
from fmq.theory import measure
from fmq.theory.measure import measure_theory


@pytest.fixture
def results(measured: Path, tmp_path: Path) -> Path:
    """A results folder that a test may spoil."""
    return Path(shutil.copytree(measured, tmp_path / "results"))


def write(study: Study, results: Path) -> Path:
    (name,) = study.dataset_names()
    write_theory(study, results, results, [manifest_file(study, name, results)])
    return results / "theory"


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{name}.csv")


def changed(study: Study, **changes: float) -> Study:
    return study.model_copy(update={"fmq": study.fmq.model_copy(update=changes)})


@pytest.mark.usefixtures("undrawn")
def test_every_claim_that_is_certain_holds(study: Study, results: Path) -> None:
    folder = write(study, results)
    optimum = table(folder, "optimum").set_index("critic")
    assert set(optimum.index) == {"offline", "online", "quadratic", "flat"}
    assert (optimum["holds"] == 1).all()
    assert optimum.loc["flat", ["displacement_gap", "share"]].isna().all()
    assert (optimum.loc[["offline", "online", "quadratic"], "share"] <= 1).all()
    assert (table(folder, "map")["holds"] == 1).all()
    first_order = table(folder, "first_order")
    nearest = first_order[first_order["eta"] == first_order["eta"].min()]
    assert nearest["ratio"].between(0.9, 1.1).all()
    improvement = table(folder, "improvement")
    assert improvement["displacement"].iloc[0] == 0
    assert improvement["displacement"].iloc[-1] > 0


def test_all_files_are_there_with_their_provenance(study: Study, results: Path) -> None:
    folder = write(study, results)
    for name in MEASUREMENTS:
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        for suffix in ("md", "tex"):
            text = (folder / f"{name}.{suffix}").read_text()
            assert "generated here, not the official data set" in text
            assert "FAILS" not in text or name in ("first_order", "improvement")
        metadata = json.loads((folder / f"{name}.csv-metadata.json").read_text())
        described = [column["name"] for column in metadata["tableSchema"]["columns"]]
        assert described == list(table(folder, name).columns)


@pytest.mark.slow
def test_the_same_inputs_give_the_same_bytes(study: Study, measured: Path, results: Path) -> None:
    measure_theory(study, TASK, 0, results)
    again, before = (theory_folder(study, TASK, 0, folder) for folder in (results, measured))
    for name in (*(f"{name}.csv" for name in MEASUREMENTS), "settings.json"):
        assert (again / name).read_bytes() == (before / name).read_bytes()


def doctor(study: Study, results: Path, name: str, column: str, value: float, rows: slice) -> None:
    path = theory_folder(study, TASK, 0, results) / f"{name}.csv"
    frame = pd.read_csv(path, float_precision="round_trip")
    frame.loc[rows, column] = value
    frame.to_csv(path, index=False)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("displacement_gap", 1e-3),
        ("objective_gap", 1e-3),
        ("activity", -1e-3),
        ("multiplier", 0.0),
        ("converged", 0),
    ],
)
@pytest.mark.usefixtures("undrawn")
def test_a_single_problem_that_disagrees_makes_the_claim_fail(
    study: Study, results: Path, column: str, value: float
) -> None:
    doctor(study, results, "optimum", column, value, slice(5, 5))
    folder = write(study, results)
    optimum = table(folder, "optimum").set_index("critic")
    assert optimum["holds"].to_dict() == {"offline": 0, "online": 1, "quadratic": 1, "flat": 1}
    lines = [line for line in (folder / "optimum.md").read_text().splitlines() if "FAILS" in line]
    assert len(lines) == 1
    assert "| offline |" in lines[0]


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("first_order", "gain", -0.1),
        ("map", "integration_error", 0.1),
        ("improvement", "gain", -0.1),
    ],
)
@pytest.mark.usefixtures("undrawn")
def test_what_fails_is_shown_as_failing(
    study: Study, results: Path, name: str, column: str, value: float
) -> None:
    last = len(table(theory_folder(study, TASK, 0, results), name)) - 1
    doctor(study, results, name, column, value, slice(last, last))
    folder = write(study, results)
    assert table(folder, name)["holds"].iloc[-1] == 0
    for suffix in ("md", "tex"):
        assert "FAILS" in (folder / f"{name}.{suffix}").read_text()


def test_measurements_of_other_settings_are_others(study: Study, results: Path) -> None:
    other = changed(study, eta=0.5)
    with pytest.raises(UserError, match="no record of measurements; run `fmq theory"):
        write(other, results)
    theory_folder(study, TASK, 0, results).rename(theory_folder(other, TASK, 0, results))
    with pytest.raises(UserError, match="other settings; run `fmq theory"):
        write(other, results)


def learn_from_other_data(record: Path) -> None:
    values = json.loads(record.read_text())
    values["dataset"] = spoiled(values["dataset"])
    record.write_text(json.dumps(values))


def spoiled(digests: dict[str, Any]) -> dict[str, Any]:
    """Digests by file, or those of several runs, of other bytes."""
    return {
        name: spoiled(value) if isinstance(value, dict) else "0" * 64
        for name, value in digests.items()
    }


def test_measurements_of_other_data_are_refused(study: Study, results: Path) -> None:
    learn_from_other_data(theory_folder(study, TASK, 0, results) / "settings.json")
    with pytest.raises(UserError, match="learned from other data; run `fmq theory"):
        write(study, results)


def test_measurements_of_a_checkpoint_that_was_made_again_are_refused(
    study: Study, results: Path
) -> None:
    checkpoint = run_folder(make_run(study, TASK, 0, "finetune-fmq"), results) / "checkpoint.pt"
    kept = checkpoint.read_bytes()
    checkpoint.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    with pytest.raises(UserError, match="measured on another checkpoint of finetune-fmq"):
        write(study, results)
    checkpoint.unlink()  # of a copy without checkpoints, nothing is known
    write(study, results)


def test_a_checkpoint_that_learned_from_other_data_is_refused(study: Study, results: Path) -> None:
    run = make_run(study, TASK, 0, "distill-lsd")
    learn_from_other_data(run_folder(run, results) / "provenance.json")
    with pytest.raises(UserError, match=r"distill-lsd-\w+/checkpoint\.pt: learned from other data"):
        measure_theory(study, TASK, 0, results)


def test_a_missing_checkpoint_or_record_is_named(study: Study, results: Path) -> None:
    (run_folder(make_run(study, TASK, 0, "distill-psd"), results) / "checkpoint.pt").unlink()
    with pytest.raises(UserError, match=r"distill-psd-\w+/checkpoint\.pt: no such checkpoint"):
        measure_theory(study, TASK, 0, results)
    (theory_folder(study, TASK, 0, results) / "settings.json").unlink()
    with pytest.raises(UserError, match="no record of measurements; run `fmq theory"):
        write(study, results)


def test_a_measurement_that_ends_early_leaves_no_record(
    study: Study, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(bench: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(measure._MEASURES, "optimum", die)
    with pytest.raises(KeyboardInterrupt):
        measure_theory(study, TASK, 0, results)
    assert not (theory_folder(study, TASK, 0, results) / "settings.json").exists()


def test_a_trust_region_of_no_size_is_refused(study: Study) -> None:
    with pytest.raises(UserError, match=r"fmq\.eta is 0"):
        theory_runs(changed(study, eta=0.0), TASK, 0)


@pytest.mark.usefixtures("undrawn")
def test_an_unfinished_study_shows_what_is_there(study: Study, results: Path) -> None:
    other = TASK.replace("task4", "task2")
    more = {"tasks": [other, TASK], "seeds": [0, 1], "allow_missing": True}
    folder = write(study.model_copy(update=more), results)
    for name in MEASUREMENTS:
        rows = table(folder, name)
        assert set(rows["task"]) == {TASK}
        assert (rows["seeds"] == 1).all()
    shutil.rmtree(theory_folder(study, TASK, 0, results))
    with pytest.raises(UserError, match="no measurements yet"):
        write(study.model_copy(update=more), results)


def test_means_and_deviations_are_over_seeds() -> None:
    rows = pd.DataFrame(
        {
            "task": TASK,
            "seed": [0, 1],
            "critic": "offline",
            "eta": 0.5,
            "gain": [1.0, -0.5],
            "predicted": [1.0, 3.0],
            "raised": [1.0, 0.5],
            "states": 8,
        }
    )
    (row,) = report.first_order(rows).itertuples()
    assert (row.seeds, row.gain, row.predicted, row.ratio) == (2, 0.25, 2.0, 0.125)
    assert row.gain_deviation == pytest.approx(1.5 / 2**0.5)
    assert row.holds == 0  # one seed fell


@pytest.mark.slow
def test_twelve_tasks_fit_into_a_figure(study: Study, measured: Path, tmp_path: Path) -> None:
    tasks = [TASK.replace("task4", f"task{number}") for number in range(12)]
    twelve = study.model_copy(update={"tasks": tasks})
    folder = theory_folder(study, TASK, 0, measured)
    for name in MEASURED:
        one = pd.read_csv(folder / f"{name}.csv").assign(seed=0)
        frame = pd.concat([one.assign(task=task) for task in tasks], ignore_index=True)
        with mpl.rc_context(STYLE):
            figure = FIGURES[name](twelve, frame, report.AGGREGATES[name](frame))
        titles = [axis.get_title(loc="left") for axis in figure.axes if axis.get_visible()]
        assert len(titles) == (2 if name == "optimum" else 12)
        figure.savefig(tmp_path / f"{name}.png")
