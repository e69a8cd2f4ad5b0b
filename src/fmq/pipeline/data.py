"""Identities of data sets: from their settings or, for local files, from their bytes."""

import os
from pathlib import Path
from typing import Any

from fmq.base.errors import UserError
from fmq.base.files import atomic_path
from fmq.config.datasets import FileData, suite_of, training_file
from fmq.config.sources import find_source
from fmq.config.study import Study, find_dataset
from fmq.pipeline.identity import file_digest, settings_hash, short


def dataset_settings(study: Study, dataset: str) -> dict[str, Any]:
    """Return everything that determines a data set.

    A local file is identified by the SHA-256 of its bytes, not by its path.

    Raises:
        UserError: the study has no such data set, or its file cannot be read.
    """
    settings = find_dataset(study, dataset)
    shaped = {"name": dataset, **settings.model_dump(exclude_defaults=True)}
    if settings.source == "official":
        shaped["version"] = find_source(dataset).version
    if isinstance(settings, FileData):
        shaped["sha256"] = file_digest(settings.file)
        del shaped["path"]
    return shaped


def training_data_settings(study: Study, dataset: str) -> dict[str, Any]:
    """Return everything that determines the data that runs learn from.

    OGBench's validation episodes are in a separate file, so they do not count.
    """
    settings = dataset_settings(study, dataset)
    if suite_of(dataset) == "ogbench":
        settings.pop("validation_episodes", None)
    return settings


def dataset_folder_name(study: Study, dataset: str) -> str:
    """Return the name of a data set's folder, which ends in its identity."""
    return f"{dataset}-{short(settings_hash(dataset_settings(study, dataset)))}"


def refuse_other_data(study: Study, dataset: str, manifest: dict[str, Any], folder: Path) -> None:
    """Raise `UserError` if a folder holds another data set than the one it is named by.

    Args:
        manifest: the content of the folder's manifest.json.
    """
    settings, found = find_dataset(study, dataset), manifest.get("settings", {})
    if isinstance(settings, FileData):
        digest = manifest["files"].get(training_file(dataset), {}).get("sha256")
        same = digest == file_digest(settings.file)
    elif settings.source == "official":
        same = found.get("version") == find_source(dataset).version
    else:
        same = found == settings.model_dump(include={*found}) and found.get("source") is not None
    if not same:
        raise UserError(
            f"{folder}: holds another data set than its name says; delete it and run `snakemake` "
            "again"
        )
    owner = manifest.get("rewards_of")
    others = [task for task in study.tasks if study.task(task).dataset == dataset and task != owner]
    if owner is not None and others:
        raise UserError(
            f"{folder}: its file has its own rewards, which were of {owner}, but {others[0]} would "
            "learn from them; leave rewards and masks out to have them computed per task, or, if "
            f"they are of {others[0]}, delete the folder and run `snakemake` again"
        )


def link_file(name: str, settings: FileData, folder: Path) -> None:
    """Make the data set's file a relative link to the current location of the local file.

    The folder's name depends on the digest of the bytes, so the content is the same.
    """
    target, given = folder / training_file(name), settings.file
    if target.resolve() != given.resolve():
        with atomic_path(target) as temporary:
            temporary.symlink_to(os.path.relpath(given.resolve(), folder.resolve()))
