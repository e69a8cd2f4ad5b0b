"""One owner at a time: locks that name who holds them, and that a dead process does not keep."""

import json
import os
import socket
from pathlib import Path

from filelock import FileLock, Timeout

from fmq.errors import UserError
from fmq.files import atomic_path


def take_lock(folder: Path, what: str) -> FileLock:
    """Own `folder`, which is made if need be, until the lock is released or this process ends.

    Args:
        what: the thing that has one owner, for the message.

    Raises:
        UserError: another process owns it; it is named.
    """
    owner = folder / "owner.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock")
        lock.acquire(blocking=False)
        with atomic_path(owner) as temporary:
            temporary.write_text(json.dumps({"host": socket.gethostname(), "pid": os.getpid()}))
    except Timeout:
        raise UserError(
            f"{folder}: {_describe(owner)} works on this {what}; wait for it, or stop it first"
        ) from None
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror or error}") from None
    return lock


def _describe(owner: Path) -> str:
    try:
        found = json.loads(owner.read_text())
        return f"process {found['pid']} on {found['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
