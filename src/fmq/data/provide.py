"""The `dataset` stage: make a data set here, fetch the official one, or take a file."""

from pathlib import Path

from fmq import paths
from fmq.datasets import FileData, OfficialData
from fmq.settings import Study, find_dataset


def provide_dataset(study: Study, name: str, results: Path, processes: int) -> None:
    """Fill the data set's folder; its ``manifest.json`` is written last.

    Args:
        processes: workers of a generator.

    Raises:
        UserError: the study has no such data set, or it can be neither made nor found.
    """
    settings = find_dataset(study, name)
    folder = paths.dataset_folder(results, name)
    if isinstance(settings, OfficialData):
        from fmq.data.official import fetch_dataset

        fetch_dataset(name, folder, Path(study.data_dir).expanduser() if study.data_dir else None)
    elif isinstance(settings, FileData):
        from fmq.data.own import take_file

        take_file(study, name, settings, folder)
    else:
        from fmq.data.generate import generate_dataset

        generate_dataset(name, settings, folder, processes)
