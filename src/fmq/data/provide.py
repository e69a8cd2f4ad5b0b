"""The `dataset` stage: generate a data set, fetch the official one, use a file, or do without."""

from pathlib import Path

from fmq.config.datasets import FileData, NoData, OfficialData, training_file
from fmq.config.study import Study, find_dataset
from fmq.pipeline.paths import dataset_folder


def provide_dataset(study: Study, name: str, results: Path, processes: int) -> None:
    """Fill the data set's folder; its ``manifest.json`` is written last.

    Args:
        processes: number of worker processes of a generator.

    Raises:
        UserError: the study has no such data set, or it cannot be made or found.
    """
    settings = find_dataset(study, name)
    folder = dataset_folder(study, name, results)
    if isinstance(settings, OfficialData):
        from fmq.data.official import fetch_dataset

        fetch_dataset(name, folder, study.copies)
    elif isinstance(settings, FileData):
        from fmq.data.own import take_file

        take_file(study, name, settings, folder)
    elif isinstance(settings, NoData):
        from fmq.data.no_data import write_no_data

        write_no_data(name, folder)
    else:
        from fmq.data.generate import generate_dataset

        generate_dataset(name, settings, folder, processes)

        from fmq.data.content import tell_content

        tasks = [task for task in map(study.task, study.tasks) if task.dataset == name]
        tell_content(folder / training_file(name), tasks)
