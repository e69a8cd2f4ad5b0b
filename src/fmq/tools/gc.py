"""Find and delete results that no study needs: folders of runs, data sets, policies, studies."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

from fmq.base.errors import UserError
from fmq.base.files import matching
from fmq.base.locks import own
from fmq.config.reading import load_study, refuse_missing
from fmq.config.study import Study
from fmq.pipeline.graph import all_parts
from fmq.pipeline.paths import scratch_folder, settings_file
from fmq.pipeline.studies import study_folder

KEPT = (
    *("datasets/*", "policies/*/seed*/*", "runs/*/seed*/*"),
    *("scratch/*/seed*/*", "studies/*"),
)
"""Patterns of the folders that are named by the identity of their content."""


def collect(settings: Sequence[Path], results: Path, delete: bool) -> Iterator[str]:
    """Yield a line for each folder in `results` that none of the studies needs, and a total.

    Args:
        settings: files with the complete settings of each study to keep.
        results: folder of results.
        delete: whether to delete the folders as they are listed.

    Raises:
        UserError: another process fills the folder, settings cannot be read, or a file that they
            name is missing or has changed, so that the results made from it cannot be identified.
    """
    with own(results / "lock", "results folder") if delete else nullcontext():
        yield from _sweep(settings, results, delete)


def _sweep(settings: Sequence[Path], results: Path, delete: bool) -> Iterator[str]:
    wanted = {folder for path in settings for folder in _wanted(path, results)}
    total = count = 0
    for folder in sorted(path for pattern in KEPT for path in matching(results, pattern)):
        # The log of measured costs lies beside their file, under the same name.
        if wanted & {folder, folder.with_suffix(".csv")} or folder.is_symlink():
            continue
        files = [file for file in (folder, *folder.rglob("*")) if not file.is_dir()]
        size = sum(file.lstat().st_size for file in files)
        total, count = total + size, count + 1
        if delete:
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
        yield f"{size / 2**20:8.1f} MiB  {folder}"
    verb = "deleted" if delete else "not needed by any study; --yes deletes them"
    yield f"{count} folders, {total / 2**20:.1f} MiB, {verb}" if count else "nothing to delete"


def _wanted(settings: Path, results: Path) -> Iterator[Path]:
    study = load_study(settings)
    refuse_missing(study.model_copy(update={"allow_missing": False}))
    yield study_folder(study, results)
    yield from _named_by(settings, study, results)
    for part in all_parts(study, results):
        yield part.place
        if part.run is not None:
            yield scratch_folder(part.run, results)


def _named_by(settings: Path, study: Study, results: Path) -> Iterator[Path]:
    """Yield the folders of the study that these settings are known to be of.

    Raises:
        UserError: the study has another folder by now, so its runs have other identities too.
    """
    now = study_folder(study, results)
    folders = _folders_of(settings, results)
    # The folder of an unfinished study is another one after each run.
    if study.allow_missing:
        yield from folders
    elif folders and now not in folders:
        raise UserError(
            f"{settings}: stands for {now} by now, because a file that it names (or fmq) has "
            "changed, so the results of this study cannot be told from others; restore the file, "
            f"or delete {folders[0]}"
        )


def _folders_of(settings: Path, results: Path) -> list[Path]:
    """Return the study's folder that `settings` lies in; of results/settings.json, its copies'."""
    copies = sorted(results.glob("studies/*/settings.json"))
    if settings.resolve() == settings_file(results).resolve():
        text = settings.read_bytes()
        return [one.parent for one in copies if one.read_bytes() == text]
    return [one.parent for one in copies if one.resolve() == settings.resolve()]
