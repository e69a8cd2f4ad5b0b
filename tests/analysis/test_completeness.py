"""What is refused when scores are gathered: never one thing alone, always the list."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers.analysing import make_study, write_runs

from fmq.analysis.inputs.problems import KINDS, MISSING, OTHER_DATA, SHOWN, Problem, refuse
from fmq.analysis.inputs.scores import collect_scores
from fmq.base.errors import UserError
from fmq.config.study import Study
from fmq.pipeline.evaluations import evaluation_name
from fmq.pipeline.runs import make_run

TASK = "pointmaze-medium-navigate-singletask-task2-v0"
DATASET = "pointmaze-medium-navigate-v0"
SMALL = {"tasks": [TASK], "seeds": [0, 1], "methods": ["fmq", "qc"], "samplers": ["fmq+qgbs"]}


@pytest.fixture(scope="module")
def small() -> Study:
    return make_study(**SMALL)


@pytest.fixture(scope="module")
def kept(small: Study, tmp_path_factory: Any) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    write_runs(small, folder)
    return folder


@pytest.fixture
def copy(kept: Path, tmp_path: Path) -> Path:
    """A results folder of the small study, to be spoilt."""
    return shutil.copytree(kept, tmp_path / "results")


def told(study: Study, results: Path, *manifests: Path) -> str:
    """The one line that refuses these results, allowing what is missing or not."""
    lines = []
    for allow in (False, True):
        unfinished = study.model_copy(update={"allow_missing": allow})
        with pytest.raises(UserError) as caught:
            collect_scores(unfinished, results, manifests)
        lines.append(str(caught.value))
    assert lines[0] == lines[1]
    assert "\n" not in lines[0]
    assert lines[0].startswith(f"{results}: ")
    return lines[0].removeprefix(f"{results}: ")


def place(study: Study, seed: int, name: str, file: str) -> str:
    """Return where a file of a run is in the results; ``SAMPLER.json`` is that of an evaluation."""
    run = make_run(study, TASK, seed, name)
    sampler, _, suffix = file.partition(".")
    if sampler == "qgbs":
        file = evaluation_name(run, sampler).replace("csv", suffix)
    return f"runs/{TASK}/seed{seed}/{run.folder}/{file}"


@pytest.fixture
def end(small: Study) -> str:
    """Where the last episodes of a run are."""
    return place(small, 0, "finetune-fmq", "last_evaluation.csv")


def change(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_all_of_the_study_passes(small: Study, copy: Path, manifest: Path) -> None:
    assert len(collect_scores(small, copy, [manifest])) == 2 * (2 * 6 + 2)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("task", "other", f"column task says other, expected {TASK}"),
        ("seed", 7, "column seed says 7, expected 0"),
        ("run", "finetune-mvp", "column run says finetune-mvp, expected finetune-fmq"),
        ("sampler", "qgbs", "column sampler says qgbs, expected best_of_n"),
        ("stage", "offline", "column stage says offline, expected online"),
    ],
)
def test_rows_about_something_else(
    small: Study, copy: Path, end: str, column: str, value: object, message: str
) -> None:
    frame = pd.read_csv(copy / end)
    frame.loc[5, column] = value
    frame.to_csv(copy / end, index=False)
    line = told(small, copy)
    assert line == f"1 whose rows do not match their path: {end}: {message}; make these again"


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("step", 7999, "expected evaluations at steps 8000; found 7999, 8000"),
        ("episode", 77, "has an episode 77, expected 0 to 19"),
    ],
)
def test_other_steps_and_episodes(
    small: Study, copy: Path, end: str, column: str, value: int, message: str
) -> None:
    frame = pd.read_csv(copy / end)
    frame.loc[5, column] = value
    frame.to_csv(copy / end, index=False)
    assert f"{end}: {message}" in told(small, copy)


@pytest.mark.parametrize(("file", "step"), [("evaluations.csv", 6000), ("qgbs.csv", 8000)])
def test_a_cut_file(small: Study, copy: Path, file: str, step: int) -> None:
    path = copy / place(small, 1, "finetune-fmq", file)
    lines = path.read_text().splitlines(keepends=True)
    for kept_lines, message in ((len(lines) - 1, f"19 episodes at step {step}"), (1, "found none")):
        path.write_text("".join(lines[:kept_lines]))
        line = told(small, copy)
        assert line.startswith("1 with other steps or episodes than the settings say: ")
        assert message in line


def test_a_repeated_row(small: Study, copy: Path, end: str) -> None:
    path = copy / end
    path.write_text(path.read_text() + path.read_text().splitlines(keepends=True)[3])
    assert told(small, copy).startswith(
        f"1 with a repeated row: {end}: line 22 repeats task {TASK}"
    )


def test_a_run_copied_to_another_seed(small: Study, copy: Path) -> None:
    seeds = copy / "runs" / TASK
    shutil.rmtree(seeds / "seed1")
    shutil.copytree(seeds / "seed0", seeds / "seed1")
    line = told(small, copy)
    # 10 files of episodes; 5 run folders and 6 evaluations with their records.
    assert line.startswith("10 whose rows do not match their path, 11 of other settings: ")
    first = place(small, 1, "distill-esd", "last_evaluation.csv")
    assert f"{first}: column seed says 0, expected 1" in line
    assert "; and 11 more; make these again" in line


@pytest.mark.parametrize("file", ["settings.json", "qgbs.json"])
def test_a_record_of_other_settings(small: Study, copy: Path, file: str) -> None:
    """A folder that was renamed says that it is of what it is not."""
    record = place(small, 1, "finetune-fmq", file)
    change(copy / record, hash="0" * 16)
    assert told(small, copy).startswith(f"1 of other settings: {record}: ")


def test_a_changed_study_has_runs_of_its_own(small: Study, kept: Path) -> None:
    with pytest.raises(UserError, match=": 20 missing: "):
        collect_scores(make_study(**SMALL, seed=1), kept)
    assert len(collect_scores(small, kept))


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("finetune-qc", "provenance.json"),
        ("pretrain-warmup", "provenance.json"),
        ("distill-esd", "qgbs.json"),
    ],
)
@pytest.mark.parametrize("with_manifest", [True, False])
def test_two_versions_of_the_data(
    small: Study, copy: Path, manifest: Path, name: str, file: str, with_manifest: bool
) -> None:
    record = place(small, 1, name, file)
    change(copy / record, dataset={f"{DATASET}.npz": "1" * 64})
    assert told(small, copy, *([manifest] if with_manifest else [])) == (
        f"1 of other data: {record}: learned from {DATASET}.npz of sha256 111111111111, "
        "expected 000000000000; make these again"
    )


def test_data_for_validation_may_change(small: Study, copy: Path, manifest: Path) -> None:
    names = {f"{DATASET}.npz": "0" * 64, f"{DATASET}-val.npz": "1" * 64}
    change(copy / place(small, 1, "finetune-qc", "provenance.json"), dataset=names)
    assert len(collect_scores(small, copy, [manifest]))


def test_all_runs_of_older_data(small: Study, copy: Path, manifest: Path, tmp_path: Path) -> None:
    newer = tmp_path / "manifest.json"
    newer.write_text(manifest.read_text().replace("0" * 64, "2" * 64))
    assert told(small, copy, newer).startswith("22 of other data: ")


def test_data_without_a_manifest(small: Study, copy: Path, manifest: Path, tmp_path: Path) -> None:
    other = tmp_path / "manifest.json"
    other.write_text(manifest.read_text().replace(DATASET, "scene-play-v0"))
    assert told(small, copy, other) == (
        f"1 without a record of settings and data: {DATASET}: runs learned from it, but no "
        "manifest records its version; make these again"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file"),
        ("", "not a JSON file with a valid 'hash'"),
        ("[]", "not a JSON file with a valid 'hash'"),
        ('{"hash": 3}', "not a JSON file with a valid 'hash'"),
    ],
)
def test_a_run_without_a_record(small: Study, copy: Path, text: str | None, message: str) -> None:
    record = place(small, 0, "finetune-fmq", "settings.json")
    (copy / record).unlink()
    if text is not None:
        (copy / record).write_text(text)
    assert told(small, copy) == (
        f"1 without a record of settings and data: {record}: {message}; make these again"
    )


def test_everything_is_told_at_once(small: Study, copy: Path, end: str) -> None:
    missing = place(small, 1, "finetune-qc", "last_evaluation.csv")
    (copy / missing).unlink()
    change(copy / place(small, 0, "finetune-qc", "provenance.json"), dataset={})
    (copy / end).write_text("rubbish")
    with pytest.raises(UserError) as caught:
        collect_scores(small, copy)
    line = str(caught.value).removeprefix(f"{copy}: ")
    assert line.startswith(
        f"1 unreadable, 1 without a record of settings and data, 1 missing: {end}: expected the"
    )
    assert line.endswith(f"{missing}; make these again")


def test_a_list_is_cut_and_what_is_missing_comes_last() -> None:
    missing = [Problem(MISSING, f"file {number}") for number in range(30)]
    with pytest.raises(UserError) as caught:
        refuse(Path("runs"), [*missing, Problem(OTHER_DATA, "other")], "mend", allow_missing=False)
    shown = "; ".join(f"file {number}" for number in range(SHOWN - 1))
    assert (
        str(caught.value) == f"runs: 1 of other data, 30 missing: other; {shown}; and 21 more; mend"
    )
    assert KINDS[-1] == MISSING
    refuse(Path("runs"), missing, "mend", allow_missing=True)
    refuse(Path("runs"), [], "mend", allow_missing=False)
