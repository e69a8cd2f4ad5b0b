"""Find out which jobs are running, without touching their locks.

To test a lock means to hold it for a moment, and a run that starts in that moment would be refused.
Linux lists its file locks and the files that processes write to, and reading these lists disturbs
nobody. They cover this machine only: a job on another machine, such as a cluster node, counts as
running as long as it has written to its log recently.
"""

import json
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

SILENCE = 900.0
"""Seconds without a log line after which a job elsewhere counts as dead.

Evaluations log nothing while they run.
"""

PROC = Path("/proc")


class Owner(NamedTuple):
    """The process that last took a run's lock, as `fmq.base.locks.own` records it.

    The process may have ended since.
    """

    host: str
    process: int
    lock: int  # inode


class Processes(NamedTuple):
    """The processes of this machine, as the system lists them.

    Attributes:
        locks: (process, inode) of every file lock; None where the system does not list them.
        logs: (device, inode) of the standard error of every process of this user.
        hidden: other users whose processes this user may not look into. One's own that may not be
            looked into, such as an agent for keys, are no jobs.
        seen: time of the listing, in seconds since the epoch.
    """

    locks: frozenset[tuple[int, int]] | None
    logs: frozenset[tuple[int, int]]
    hidden: frozenset[int]
    seen: float


def look_around() -> Processes:
    """List file locks and the standard errors of processes."""
    seen = time.time()
    try:
        lines = (PROC / "locks").read_text(encoding="utf-8").splitlines()
        # "1: FLOCK ADVISORY WRITE 21508 fe:00:1696610 0 EOF"; "1: -> FLOCK" waits for it.
        held = [fields for line in lines if (fields := line.split())[1] != "->"]
        locks = frozenset((int(one[4]), int(one[5].rpartition(":")[2])) for one in held)
    except (OSError, ValueError, IndexError):
        return Processes(None, frozenset(), frozenset(), seen)
    logs, hidden = set(), set()
    for process in PROC.glob("[0-9]*"):
        with suppress(FileNotFoundError):  # the process has ended
            try:
                found = (process / "fd/2").stat()
                logs.add((found.st_dev, found.st_ino))
            except PermissionError:
                hidden.add(process.stat().st_uid)
    return Processes(locks, frozenset(logs), frozenset(hidden - {os.geteuid()}), seen)


def read_owner(scratch: Path) -> Owner | None:
    """Read the last owner of a run's scratch folder; None if it never had one."""
    try:
        found = json.loads((scratch / "owner.json").read_text(encoding="utf-8"))
        return Owner(str(found["host"]), int(found["pid"]), (scratch / "lock").stat().st_ino)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def holds(owner: Owner | None, processes: Processes) -> bool:
    """Return whether the owner is a process on this machine that still holds the lock."""
    if owner is None or processes.locks is None or owner.host != socket.gethostname():
        return False
    return (owner.process, owner.lock) in processes.locks


def writes(log: os.stat_result | None, processes: Processes) -> bool:
    """Return whether a process here writes to this log, or has written since the listing."""
    if log is None:
        return False
    return (log.st_dev, log.st_ino) in processes.logs or log.st_mtime >= processes.seen


def out_of_sight(owner: Owner | None, log: os.stat_result | None, processes: Processes) -> bool:
    """Return whether the processes that write this log or hold the run cannot be listed here."""
    if processes.locks is None or (log is not None and log.st_uid in processes.hidden):
        return True
    return owner is not None and owner.host != socket.gethostname()


def lately(log: os.stat_result | None) -> bool:
    """Return whether the log has a line of the last `SILENCE` seconds."""
    return log is not None and time.time() - log.st_mtime < SILENCE
