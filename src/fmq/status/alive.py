"""Which jobs are at work, found out without a lock: to try one is to hold it for a moment.

A run that starts in that moment would be refused. Linux lists its file locks and the files that
processes write to, and reading these lists disturbs nobody. They tell of this machine alone: a job
elsewhere, on a cluster, is taken to be at work as long as it has lately been heard of.
"""

import json
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

SILENCE = 900.0
"""Seconds without a line after which a job elsewhere is given up: evaluations say nothing."""

PROC = Path("/proc")


class Owner(NamedTuple):
    """Who took a run's lock last, as `fmq.locks.own` notes it; it may have ended since."""

    host: str
    process: int
    lock: int  # inode


class Processes(NamedTuple):
    """What the system tells of this machine's processes.

    Attributes:
        locks: (process, inode) of every file lock; None where the system does not tell.
        logs: (device, inode) of the standard error of every process of this user.
        seen: when they were looked at, in seconds since the epoch.
    """

    locks: frozenset[tuple[int, int]] | None
    logs: frozenset[tuple[int, int]]
    seen: float


def look_around() -> Processes:
    """Read what the system tells."""
    seen = time.time()
    try:
        lines = (PROC / "locks").read_text().splitlines()
        # "1: FLOCK ADVISORY WRITE 21508 fe:00:1696610 0 EOF"; "1: -> FLOCK" waits for it.
        held = [fields for line in lines if (fields := line.split())[1] != "->"]
        locks = frozenset((int(one[4]), int(one[5].rpartition(":")[2])) for one in held)
    except (OSError, ValueError, IndexError):
        return Processes(None, frozenset(), seen)
    logs = set()
    for process in PROC.glob("[0-9]*"):
        with suppress(OSError):  # it ended, or is another user's
            found = (process / "fd/2").stat()
            logs.add((found.st_dev, found.st_ino))
    return Processes(locks, frozenset(logs), seen)


def read_owner(scratch: Path) -> Owner | None:
    """The last owner of a run's folder; None if it never had one."""
    try:
        found = json.loads((scratch / "owner.json").read_text())
        return Owner(str(found["host"]), int(found["pid"]), (scratch / "lock").stat().st_ino)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def holds(owner: Owner | None, processes: Processes) -> bool:
    """Whether the owner is a process here that still has the lock."""
    if owner is None or processes.locks is None or owner.host != socket.gethostname():
        return False
    return (owner.process, owner.lock) in processes.locks


def writes(log: os.stat_result | None, processes: Processes) -> bool:
    """Whether a process here has this log as its standard error, or had it after the look."""
    if log is None:
        return False
    return (log.st_dev, log.st_ino) in processes.logs or log.st_mtime >= processes.seen


def out_of_sight(owner: Owner | None, processes: Processes) -> bool:
    """Whether nothing is known of the processes of the machine that the run was begun on."""
    if processes.locks is None:
        return True
    return owner is not None and owner.host != socket.gethostname()


def lately(log: os.stat_result | None) -> bool:
    """Whether there was a line not long ago."""
    return log is not None and time.time() - log.st_mtime < SILENCE
