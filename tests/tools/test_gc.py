"""What no study wants is listed, and deleted where that is asked for; nothing else is."""

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.studies import changed
from typer.testing import CliRunner

from fmq.base.errors import UserError
from fmq.cli import app
from fmq.config.reading import load_study
from fmq.config.study import Study
from fmq.pipeline.paths import (
    dataset_folder,
    run_folder,
    scratch_folder,
    settings_file,
    theory_folder,
)
from fmq.pipeline.runs import make_run
from fmq.pipeline.studies import study_folder
from fmq.tools.gc import collect

DATASET = "pointmaze-medium-navigate-v0"
Write = Callable[..., tuple[Path, Study]]


@pytest.fixture
def write(root: Path, tmp_path: Path) -> Write:
    """A file with the smoke study and changes of it."""

    def written(name: str, **changes: object) -> tuple[Path, Study]:
        smoke = load_study(root / "config.yaml", root / "config/smoke.yaml")
        study = changed(smoke, changes)
        path = tmp_path / f"{name}.json"
        path.write_text(study.model_dump_json())
        return path, study

    return written


def made_by(study: Study, results: Path) -> set[Path]:
    """A folder of each kind, with a file of a megabyte in it."""
    task, seed = study.tasks[0], study.seeds[0]
    runs = [make_run(study, task, seed, f"{name}") for name in ("pretrain-warmup", "finetune-fmq")]
    variant = make_run(study, task, seed, f"finetune-{next(iter(study.ablations.methods))}")
    folders = {
        dataset_folder(study, DATASET, results),
        *(run_folder(run, results) for run in (*runs, variant)),
        scratch_folder(runs[0], results),
        theory_folder(study, task, seed, results),
        study_folder(study, results),
    }
    for folder in folders:
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "file").write_bytes(bytes(2**20))
    assert len(folders) == 7
    return folders


def test_what_a_given_study_wants_is_kept(write: Write, tmp_path: Path) -> None:
    results = tmp_path / "results"
    changes = {"training": {"batch_size": 9}, "datasets": {DATASET: {"seed": 5}}}
    (first, study), (second, other) = write("first"), write("second", **changes)
    mine, others = made_by(study, results), made_by(other, results)
    beside = results / "scores.csv"
    beside.touch()
    *lines, total = collect([first], results, delete=False)
    assert {Path(line.split(maxsplit=2)[2]) for line in lines} == others
    assert total.startswith("7 folders, 7.0 MiB")
    assert len(list(collect([first, second], results, delete=True))) == 1
    assert all(folder.exists() for folder in mine | others)
    assert len(list(collect([second], results, delete=True))) == 8
    assert not any(folder.exists() for folder in mine)
    assert all(folder.exists() for folder in others)
    assert beside.exists()


def test_folders_elsewhere_stay(write: Write, tmp_path: Path) -> None:
    """A link among the results, and links in a folder that is deleted."""
    results, elsewhere = tmp_path / "results", tmp_path / "elsewhere"
    path, _ = write("study")
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    unwanted = results / "datasets" / "other-01234567"
    unwanted.mkdir(parents=True)
    (unwanted / "link").symlink_to(elsewhere)
    (results / "datasets" / "linked-01234567").symlink_to(elsewhere)
    list(collect([path], results, delete=True))
    assert not unwanted.exists()
    assert (results / "datasets" / "linked-01234567" / "file").exists()


def test_without_a_study_s_own_file_nothing_is_deleted(write: Write, tmp_path: Path) -> None:
    """Its runs are called by the bytes of that file, so that they would not be known again."""
    results, file = tmp_path / "results", tmp_path / "mine.npz"
    file.write_bytes(b"mine")
    settings = {"source": "file", "path": str(file)}
    task = "pointmaze-medium-navigate-singletask-task2-v0"
    path, study = write("study", tasks=[task], datasets={DATASET: settings}, allow_missing=True)
    folders = made_by(study, results)
    file.unlink()
    with pytest.raises(UserError, match=r"no file .*mine\.npz"):
        list(collect([path], results, delete=True))
    assert all(folder.exists() for folder in folders)


@pytest.mark.parametrize("given", ["own", "through a link", "of the study asked for last"])
def test_a_study_whose_own_file_has_changed_is_not_taken_for_unwanted(
    write: Write, tmp_path: Path, given: str
) -> None:
    """The settings in its folder stand for runs of another file by now."""
    results, file = tmp_path / "results", tmp_path / "mine.npz"
    file.write_bytes(b"mine")
    settings = {"source": "file", "path": str(file)}
    task = "pointmaze-medium-navigate-singletask-task2-v0"
    path, study = write("study", tasks=[task], datasets={DATASET: settings})
    folders = made_by(study, results)
    own = path.rename(study_folder(study, results) / "settings.json")
    if given == "through a link":
        (tmp_path / "linked").symlink_to(results)
        own = tmp_path / "linked" / own.relative_to(results)
    elif given == "of the study asked for last":
        settings_file(results).write_bytes(own.read_bytes())
        own = settings_file(results)
    assert list(collect([own], results, delete=True)) == ["nothing to delete"]
    file.write_bytes(b"other")
    with pytest.raises(UserError, match=r"a file that it names .* has changed"):
        list(collect([own], results, delete=True))
    assert all(folder.exists() for folder in folders)


def test_the_folder_of_an_unfinished_study_is_kept_by_its_own_settings(
    write: Write, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    path, study = write("study", allow_missing=True)
    earlier = study_folder(study, results)
    earlier.mkdir(parents=True)
    own = path.rename(earlier / "settings.json")
    run = run_folder(make_run(study, study.tasks[0], study.seeds[0], "finetune-fmq"), results)
    run.mkdir(parents=True)
    (run / "evaluations.csv").touch()
    assert study_folder(study, results) != earlier
    assert list(collect([own], results, delete=True)) == ["nothing to delete"]


def test_the_command_keeps_the_study_that_was_asked_for_last(write: Write, tmp_path: Path) -> None:
    results = tmp_path / "results"
    path, study = write("study")
    kept = made_by(study, results)
    settings_file(results).write_text(path.read_text())
    unwanted = results / "studies" / "other-01234567"
    unwanted.mkdir()
    command = ["gc", "--results", str(results)]
    assert str(unwanted) in CliRunner().invoke(app, command).stdout
    assert unwanted.exists()
    CliRunner().invoke(app, [*command, "--yes"])
    assert not unwanted.exists()
    assert all(folder.exists() for folder in kept)
