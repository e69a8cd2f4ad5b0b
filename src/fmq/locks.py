"""One owner at a time: locks that name who holds them, and that a dead process does not keep."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from fmq.errors import UserError
from fmq.files import sweep, write_json


@contextmanager
def own(folder: Path, what: str) -> Iterator[None]:
    """Own `folder`, which is made if need be, inside the block, or until this process ends.

    Args:
        what: the thing that has one owner, for the message.

    Raises:
        UserError: another process owns it; it is named.
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
            f"{folder}: {_describe(owner)} works on this {what}; wait for it, or stop it first"
        ) from None
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror or error}") from None
    try:
        yield
    finally:
        lock.release()


def _describe(owner: Path) -> str:
    try:
        found = json.loads(owner.read_text())
        return f"process {found['pid']} on {found['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
