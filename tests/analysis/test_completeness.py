"""What is refused when scores are gathered: never one thing alone, always the list."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fmq.analysis.problems import KINDS, MISSING, OTHER_DATA, SHOWN, Problem, refuse
from fmq.analysis.scores import collect_scores
from fmq.errors import UserError
from fmq.runs import evaluation_settings, make_run, settings_hash
from fmq.settings import Study

TASK = "pointmaze-medium-navigate-singletask-task2-v0"
DATASET = "pointmaze-medium-navigate-v0"
END = f"{TASK}/seed0/finetune-fmq/last_evaluation.csv"
SMALL = {"tasks": [TASK], "seeds": [0, 1], "methods": ["fmq", "qc"], "samplers": ["fmq+qgbs"]}


@pytest.fixture(scope="module")
def small(study_maker: Callable[..., Study]) -> Study:
    return study_maker(**SMALL)


@pytest.fixture(scope="module")
def kept(small: Study, runs_writer: Callable[[Study, Path], None], tmp_path_factory: Any) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    runs_writer(small, folder)
    return folder


@pytest.fixture
def copy(kept: Path, tmp_path: Path) -> Path:
    """The runs of the small study, to be spoilt."""
    return shutil.copytree(kept, tmp_path / "runs")


def told(study: Study, runs: Path, *manifests: Path) -> str:
    """The one line that refuses these runs, allowing what is missing or not."""
    lines = []
    for allow in (False, True):
        unfinished = study.model_copy(update={"allow_missing": allow})
        with pytest.raises(UserError) as caught:
            collect_scores(unfinished, runs, manifests)
        lines.append(str(caught.value))
    assert lines[0] == lines[1]
    assert "\n" not in lines[0]
    assert lines[0].startswith(f"{runs}: ")
    return lines[0].removeprefix(f"{runs}: ")


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
    small: Study, copy: Path, column: str, value: object, message: str
) -> None:
    frame = pd.read_csv(copy / END)
    frame.loc[5, column] = value
    frame.to_csv(copy / END, index=False)
    line = told(small, copy)
    assert (
        line == f"1 about something else than their place says: {END}: {message}; make these again"
    )


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("step", 7999, "expected evaluations at steps 8000; found 7999, 8000"),
        ("episode", 77, "an episode 77, expected 0 to 19"),
    ],
)
def test_other_steps_and_episodes(
    small: Study, copy: Path, column: str, value: int, message: str
) -> None:
    frame = pd.read_csv(copy / END)
    frame.loc[5, column] = value
    frame.to_csv(copy / END, index=False)
    assert f"{END}: {message}" in told(small, copy)


@pytest.mark.parametrize("name", ["finetune-fmq/evaluations.csv", "evaluate-finetune-fmq-qgbs.csv"])
def test_a_cut_file(small: Study, copy: Path, name: str) -> None:
    path = copy / TASK / "seed1" / name
    lines = path.read_text().splitlines(keepends=True)
    for kept_lines, message in ((len(lines) - 1, "19 episodes at step 8000"), (1, "found none")):
        path.write_text("".join(lines[:kept_lines]))
        line = told(small, copy)
        assert line.startswith("1 with other steps or episodes than the settings say: ")
        assert message.replace("8000", "6000" if "/" in name else "8000") in line


def test_a_repeated_row(small: Study, copy: Path) -> None:
    path = copy / END
    path.write_text(path.read_text() + path.read_text().splitlines(keepends=True)[3])
    assert told(small, copy).startswith(
        f"1 with a repeated row: {END}: line 22 repeats task {TASK}"
    )


def test_a_run_copied_to_another_seed(small: Study, copy: Path) -> None:
    seeds = copy / TASK
    shutil.rmtree(seeds / "seed1")
    shutil.copytree(seeds / "seed0", seeds / "seed1")
    line = told(small, copy)
    # 10 files of episodes; 5 run folders and 6 evaluations with their records.
    assert line.startswith("10 about something else than their place says, 11 of other settings: ")
    assert "seed1/distill-esd/last_evaluation.csv: column seed says 0, expected 1" in line
    assert "; and 11 more; make these again" in line


def test_a_run_of_other_settings(small: Study, copy: Path) -> None:
    run = make_run(small, TASK, 1, "finetune-fmq")
    other = run.settings() | {"fmq": run.settings()["fmq"] | {"eta": 0.5}}
    place = f"{TASK}/seed1/finetune-fmq/settings.json"
    change(copy / place, hash=settings_hash(other), settings=other)
    expected = f"1 of other settings: {place}: fmq.eta 0.5, expected 1.0; make these again"
    assert told(small, copy) == expected


def test_other_settings_that_no_key_shows(small: Study, copy: Path) -> None:
    settings = make_run(small, TASK, 1, "finetune-fmq").settings()
    place = f"{TASK}/seed1/finetune-fmq/settings.json"
    for odd in (settings, settings | {"forgotten": None}):
        change(copy / place, hash="0" * 16, settings=odd)
        line = told(small, copy)
        assert f"{place}: hash 0000000000000000, expected {settings_hash(settings)}" in line


def test_an_evaluation_of_other_settings(small: Study, copy: Path) -> None:
    settings = evaluation_settings(make_run(small, TASK, 0, "finetune-fmq"), "qgbs")
    settings["sampling"] = settings["sampling"] | {"qgbs_rounds": 3}
    place = f"{TASK}/seed0/evaluate-finetune-fmq-qgbs.json"
    change(copy / place, hash=settings_hash(settings), settings=settings)
    assert f"{place}: sampling.qgbs_rounds 3, expected 1;" in told(small, copy)


def test_a_changed_study_knows_its_old_runs(copy: Path, study_maker: Callable[..., Study]) -> None:
    changed = study_maker(**SMALL, seed=1)
    assert told(changed, copy).startswith("22 of other settings: ")
    assert "study_seed 0, expected 1" in told(changed, copy)


@pytest.mark.parametrize(
    "place",
    [
        f"{TASK}/seed1/finetune-qc/provenance.json",
        f"{TASK}/seed1/pretrain-warmup/provenance.json",
        f"{TASK}/seed1/evaluate-distill-esd-qgbs.json",
    ],
)
@pytest.mark.parametrize("with_manifest", [True, False])
def test_two_versions_of_the_data(
    small: Study, copy: Path, manifest: Path, place: str, with_manifest: bool
) -> None:
    change(copy / place, dataset={f"{DATASET}.npz": "1" * 64})
    assert told(small, copy, *([manifest] if with_manifest else [])) == (
        f"1 of other data: {place}: learned from {DATASET}.npz of sha256 111111111111, "
        "expected 000000000000; make these again"
    )


def test_data_for_validation_may_change(small: Study, copy: Path, manifest: Path) -> None:
    names = {f"{DATASET}.npz": "0" * 64, f"{DATASET}-val.npz": "1" * 64}
    change(copy / TASK / "seed1" / "finetune-qc" / "provenance.json", dataset=names)
    assert len(collect_scores(small, copy, [manifest]))


def test_all_runs_of_older_data(small: Study, copy: Path, manifest: Path, tmp_path: Path) -> None:
    newer = tmp_path / "manifest.json"
    newer.write_text(manifest.read_text().replace("0" * 64, "2" * 64))
    assert told(small, copy, newer).startswith("22 of other data: ")


def test_data_without_a_manifest(small: Study, copy: Path, manifest: Path, tmp_path: Path) -> None:
    other = tmp_path / "manifest.json"
    other.write_text(manifest.read_text().replace(DATASET, "scene-play-v0"))
    assert told(small, copy, other) == (
        f"1 without a record of settings and data: {DATASET}: runs learned from it, and no "
        "manifest tells its version; make these again"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file"),
        ("", "not JSON with a 'hash'"),
        ("[]", "not JSON with a 'hash'"),
        ('{"hash": 3}', "not JSON with a 'hash'"),
        ('{"hash": "0"}', "not JSON with a 'settings'"),
    ],
)
def test_a_run_without_a_record(small: Study, copy: Path, text: str | None, message: str) -> None:
    place = f"{TASK}/seed0/finetune-fmq/settings.json"
    (copy / place).unlink()
    if text is not None:
        (copy / place).write_text(text)
    assert told(small, copy) == (
        f"1 without a record of settings and data: {place}: {message}; make these again"
    )


def test_everything_is_told_at_once(small: Study, copy: Path) -> None:
    (copy / TASK / "seed1/finetune-qc/last_evaluation.csv").unlink()
    change(copy / TASK / "seed0" / "finetune-qc" / "provenance.json", dataset={})
    (copy / END).write_text("rubbish")
    with pytest.raises(UserError) as caught:
        collect_scores(small, copy)
    line = str(caught.value).removeprefix(f"{copy}: ")
    assert line.startswith(
        f"1 unreadable, 1 without a record of settings and data, 1 missing: {END}: expected the"
    )
    assert line.endswith(f"{TASK}/seed1/finetune-qc/last_evaluation.csv; make these again")


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
