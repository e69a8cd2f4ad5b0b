"""Folder locks that name their owner and are released when the owner dies."""

import errno
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from fmq.base.errors import UserError
from fmq.base.files import sweep, write_json

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""What the system says of a disk that grants no locks."""


@contextmanager
def own(folder: Path, what: str) -> Iterator[None]:
    """Hold the lock of `folder` inside the block; the lock ends with the process at the latest.

    The folder is created if needed. Temporary files of earlier owners are deleted.

    Args:
        what: name of the locked thing, for the message.

    Raises:
        UserError: another process, which the message names, holds the lock, or the folder cannot
            be written.
    """
    owner = folder / "owner.json"
    lock = FileLock(folder / "lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
        sweep(folder)
        write_json(owner, {"host": socket.gethostname(), "pid": os.getpid()})
    except Timeout:
        raise UserError(
            f"{folder}: {_describe(owner)} is working on this {what}; wait for it, or stop it first"
        ) from None
    except OSError as error:
        if error.errno in _NO_LOCKS:
            raise UserError(
                f"{folder}: its disk grants no locks ({error.strerror}); start the lock service, "
                "mount the disk with local locks (of NFS: `-o local_lock=flock`), or keep results "
                "on another one: `snakemake --directory FOLDER`"
            ) from None
        raise UserError(f"{folder}: cannot be written: {error.strerror or error}") from None
    try:
        yield
    finally:
        lock.release()


def _describe(owner: Path) -> str:
    try:
        found = json.loads(owner.read_text(encoding="utf-8"))
        return f"process {found['pid']} on {found['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
