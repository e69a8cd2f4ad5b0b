"""Files of imported policies: what identifies them, and where they are.

The user's own file stays where it is and is identified by its bytes. A published one is put into
``policies/TASK/seedN/SOURCE-IDENTITY/`` and is identified by its source, version and path, as an
official data set is.
"""

from pathlib import Path

from fmq.config.imported import ImportedMethod
from fmq.config.sources import find_release, remote_policy
from fmq.pipeline.identity import file_digest, settings_hash, short


def policy_identity(row: ImportedMethod, task: str, seed: int) -> str:
    """Return what identifies the policy of a task and seed.

    Raises:
        UserError: the user's file cannot be read, or none is published for the task and seed.
    """
    if row.source is not None:
        return published_identity(row.source, task, seed)
    return file_digest(row.file(task, seed))


def published_identity(source: str, task: str, seed: int) -> str:
    """Return what identifies a published policy: its source, version and path."""
    path = remote_policy(source, task, seed).path
    return settings_hash({"source": source, "version": find_release(source).version, "path": path})


def policy_folder(source: str, task: str, seed: int, results: Path) -> Path:
    """Return the folder of a published policy, its manifest and its log."""
    name = f"{source}-{short(published_identity(source, task, seed))}"
    return results / "policies" / task / f"seed{seed}" / name


def policy_path(row: ImportedMethod, task: str, seed: int, results: Path) -> Path:
    """Return the path of the file of a task and seed."""
    if row.source is None:
        return row.file(task, seed)
    return policy_folder(row.source, task, seed, results) / row.file_name(task, seed)
