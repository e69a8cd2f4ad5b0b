"""Use the study's own file as a data set: check it, and link to it from the results."""

from pathlib import Path

from fmq.base.messages import notice
from fmq.config.datasets import FileData, refuse_missing_files, suite_of, training_file
from fmq.config.sources import record_path
from fmq.config.study import Study
from fmq.data import ogbench, robomimic
from fmq.data.agreement import check_against_simulator
from fmq.data.content import tell_content
from fmq.data.manifest import write_manifest
from fmq.data.ogbench_agreement import compare_with_simulator
from fmq.pipeline.data import link_file
from fmq.pipeline.identity import file_digest
from fmq.pipeline.paths import MANIFEST


def take_file(study: Study, name: str, settings: FileData, folder: Path) -> None:
    """Check the file, link to it from `folder`, and write the manifest last.

    If the file changes later, its checksum no longer matches the manifest, and no run uses it
    until the data set is made again.

    Raises:
        UserError: the file is missing, damaged, of another format, task or simulator, or lacks a
            requested observation or mask.
    """
    refuse_missing_files({name: settings})
    given = settings.file
    digest = file_digest(given)
    tasks = [task for task in map(study.task, study.tasks) if task.dataset == name]
    if suite_of(name) == "ogbench":
        ogbench.check_file(given, name, rows=None, tasks=[task.name for task in tasks])
        compare_with_simulator(given, name)
        rewarded = bool(tasks) and ogbench.has_rewards(given)
    else:
        robomimic.check_file(given, study.task(name))
        rewarded = False  # they are of the file's only task
        check_against_simulator(given, study.task(name))
        if empty := robomimic.empty_demonstrations(given, study.task(name)):
            notice(
                f"{name}: {len(empty)} demonstrations without steps are passed over, "
                f"the first is {empty[0]}"
            )
    tell_content(given, tasks)  # reads the file as runs will, so that none starts with a bad one
    target = folder / training_file(name)
    (folder / MANIFEST).unlink(missing_ok=True)
    record_path(target).unlink(missing_ok=True)  # it may have been of an official file
    link_file(name, settings, folder)
    entry = {"bytes": given.stat().st_size, "sha256": digest, "from": str(given.absolute())}
    write_manifest(
        folder,
        {
            "name": name,
            "source": f"a file of the study's own, {given.name}",
            "settings": settings.model_dump(),
            "files": {target.name: entry},
            "rewards_of": tasks[0].name if rewarded else None,
        },
    )
