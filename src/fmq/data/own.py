"""Take a file of the study's own as a data set: checked, and linked to from the results."""

import sys
from pathlib import Path

from fmq.data import ogbench, robomimic
from fmq.data.agreement import check_against_simulator
from fmq.data.manifest import FILE_NAME, file_sha256, write_manifest
from fmq.data.sources import record_path
from fmq.datasets import FileData, refuse_missing_files, suite_of, training_file
from fmq.files import atomic_path
from fmq.settings import Study
from fmq.tasks import Task


def take_file(study: Study, name: str, settings: FileData, folder: Path) -> None:
    """Link to the file from `folder`, and write the manifest last.

    A file that is changed later no longer has the manifest's checksum, so that no run learns from
    it before the data set was made again.

    Raises:
        UserError: it is missing, damaged, of another format, task or simulator, or it has no such
            observations or mask.
    """
    refuse_missing_files({name: settings})
    given = settings.file
    digest = file_sha256(given)
    if suite_of(name) == "ogbench":
        tasks = [task for task in study.tasks if study.task(task).dataset == name]
        ogbench.check_file(given, name, rows=None, tasks=tasks)
    else:
        task = study.task(name)
        robomimic.check_file(given, task)
        check_against_simulator(given, task)
        print(f"{name}: {_held(given, task)}", file=sys.stderr)
    target = folder / training_file(name)
    (folder / FILE_NAME).unlink(missing_ok=True)
    record_path(target).unlink(missing_ok=True)  # it is no official file, if one was here before
    if target.resolve() != given.resolve():
        with atomic_path(target) as temporary:
            temporary.symlink_to(given.resolve())
    entry = {"bytes": given.stat().st_size, "sha256": digest, "from": str(given.absolute())}
    write_manifest(
        folder,
        {
            "name": name,
            "source": f"a file of the study's own, {given.name}",
            "settings": settings.model_dump(),
            "files": {target.name: entry},
        },
    )


def _held(path: Path, task: Task) -> str:
    """What a file of demonstrations holds, in words."""
    data = robomimic.read_transitions(path, task)
    solved = int((data.masks == 0).sum())
    told = f"{int(data.terminals.sum())} demonstrations, {len(data.actions)} steps, {solved} solved"
    return told if solved else f"{told}: no reward tells what to learn"
