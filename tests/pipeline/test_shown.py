"""Test the copies of the latest study's tables and figures."""

import json
import os
import shutil
from pathlib import Path

import pytest

from fmq.base.errors import UserError
from fmq.config.reading import load_study
from fmq.config.study import Study
from fmq.pipeline.analyses import SHOWN
from fmq.pipeline.shown import hide_others, is_shown, later_than_others, show
from fmq.pipeline.studies import study_folder, study_sha256


@pytest.fixture
def study(root: Path) -> Study:
    return load_study(root / "config.yaml", root / "config/smoke.yaml")


@pytest.fixture
def other(study: Study) -> Study:
    return study.model_copy(update={"name": "other"})


def make(study: Study, results: Path) -> None:
    """Write the study's files, with its name as their content."""
    for name in SHOWN:
        path = study_folder(study, results) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(study.name)
    record = study_folder(study, results) / "scores.csv-metadata.json"
    record.write_text(json.dumps({"notes": [{"study": {"sha256": study_sha256(study)}}]}))


def shown(results: Path) -> set[str]:
    """Return the contents of the copies."""
    names = (name for name in SHOWN if "scores.csv-" not in name)
    return {(results / name).read_text() for name in names if (results / name).exists()}


def test_the_last_study_is_shown_and_none_is_lost(
    study: Study, other: Study, tmp_path: Path
) -> None:
    for one in (study, other):
        make(one, tmp_path)
        show(one, tmp_path)
    assert shown(tmp_path) == {"other"}
    assert (is_shown(study, tmp_path), is_shown(other, tmp_path)) == (False, True)
    note = json.loads((tmp_path / "shown.json").read_text())
    assert note["study"] == study_folder(other, tmp_path).name
    show(study, tmp_path)
    assert shown(tmp_path) == {"smoke"}


def test_another_study_s_files_are_hidden_and_one_s_own_are_not(
    study: Study, other: Study, tmp_path: Path
) -> None:
    make(study, tmp_path)
    show(study, tmp_path)
    hide_others(study, tmp_path)
    assert is_shown(study, tmp_path)
    hide_others(other, tmp_path)
    assert shown(tmp_path) == set()
    assert not is_shown(study, tmp_path)
    assert (study_folder(study, tmp_path) / SHOWN[0]).exists()


@pytest.mark.parametrize("note", ["{", "[]", "{}", None])
def test_files_of_nobody_knows_whom_are_not_taken_for_a_study_s(
    study: Study, tmp_path: Path, note: str | None
) -> None:
    make(study, tmp_path)
    show(study, tmp_path)
    path = tmp_path / "shown.json"
    path.unlink() if note is None else path.write_text(note)
    assert not is_shown(study, tmp_path)
    hide_others(study, tmp_path)
    assert shown(tmp_path) == set()


def test_an_unfinished_study_takes_no_other_s_place(
    study: Study, other: Study, tmp_path: Path
) -> None:
    for one in (study, other):
        make(one, tmp_path)
    show(study, tmp_path)
    (study_folder(other, tmp_path) / SHOWN[-1]).unlink()
    with pytest.raises(UserError, match="does not exist yet"):
        show(other, tmp_path)
    assert is_shown(study, tmp_path)


def test_copies_are_made_again_unless_they_are_all_there_and_the_study_s(
    study: Study, other: Study, tmp_path: Path
) -> None:
    """Snakemake remakes what is older than an input."""
    make(study, tmp_path)
    show(study, tmp_path)
    assert later_than_others(study, tmp_path) == []
    (newer,) = later_than_others(other, tmp_path)
    assert Path(newer).stat().st_mtime >= (tmp_path / SHOWN[0]).stat().st_mtime
    (tmp_path / SHOWN[0]).unlink()
    assert len(later_than_others(study, tmp_path)) == 1


def test_a_folder_with_another_study_s_name_is_not_shown(
    study: Study, other: Study, tmp_path: Path
) -> None:
    make(study, tmp_path)
    study_folder(study, tmp_path).rename(study_folder(other, tmp_path))
    with pytest.raises(UserError, match="different studies"):
        show(other, tmp_path)
    assert shown(tmp_path) == set()


def test_a_changed_copy_is_made_again(study: Study, other: Study, tmp_path: Path) -> None:
    for one in (study, other):
        make(one, tmp_path)
        show(one, tmp_path)
    shutil.copy(study_folder(study, tmp_path) / SHOWN[-1], tmp_path / SHOWN[-1])
    assert not is_shown(other, tmp_path)


def test_copies_from_the_future_are_made_again_all_the_same(
    study: Study, other: Study, tmp_path: Path
) -> None:
    make(study, tmp_path)
    show(study, tmp_path)
    for name in SHOWN:
        os.utime(tmp_path / name, (4e9, 4e9))
    assert later_than_others(study, tmp_path) == []
    (newer,) = later_than_others(other, tmp_path)
    dates = {(tmp_path / name).stat().st_mtime for name in SHOWN}
    assert Path(newer).stat().st_mtime > max(dates)
