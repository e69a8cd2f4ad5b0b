"""What the end of a job's log says: how far it is, or why it failed."""

import os
import re
from pathlib import Path
from typing import NamedTuple

from fmq.messages import one_line

TAIL = 8_192
"""Bytes read of a log; a traceback takes some thousand, and logs of long runs are of any size."""

STOPPED = "fmq: stopped as asked"
NOTICES = (
    *(STOPPED, "fmq: waiting for a place", "fmq: passed over", "fmq: tracker gave up"),
    "fmq: compiled updates cannot be kept",
)
"""Lines of fmq's own that are no failure; any other that a log ends with is one."""

# What `fmq.progress` writes: "NAME: 898/4050 updates, 60 updates/s, success 12% at 2250".
_HEARTBEAT = re.compile(
    r": (?P<done>\d+)/(?P<total>\d+) (?P<unit>\w+), (?P<rate>\d+) (?P=unit)/s"
    r"(?:, success (?P<success>\d+)%(?: at \d+)?)?$"
)
_TRACEBACK = "Traceback (most recent call last):"
_CRASH = re.compile(r"^(Fatal Python error: .*|.*: command not found)$", re.MULTILINE)


class Heartbeat(NamedTuple):
    """Progress since the process started: an earlier one may have done other steps before.

    Attributes:
        rate: units per second, evaluations included; 0 stands for less than a half.
        success: share of the last evaluation's episodes, in steps of 0.01.
    """

    done: int
    total: int
    unit: str
    rate: int
    success: float | None

    @property
    def seconds_left(self) -> float | None:
        """Seconds to the last unit at that rate; None where nothing was done yet."""
        return (self.total - self.done) / self.rate if self.rate else None


class Log(NamedTuple):
    """What a log's end says, and the system of the file.

    Attributes:
        heartbeat: the last sign of progress, if there is one.
        failure: the first line of why the job failed; None if the log does not end with that.
        stopped: whether the job ended because it was asked to, with its progress kept.
    """

    stat: os.stat_result
    heartbeat: Heartbeat | None
    failure: str | None
    stopped: bool


def read_log(path: Path) -> Log | None:
    """Read the end of a log; None if there is none to read."""
    try:
        with path.open("rb") as file:
            stat = os.fstat(file.fileno())
            file.seek(max(stat.st_size - TAIL, 0))
            text = file.read(TAIL).decode(errors="replace").rstrip()
    except OSError:
        return None
    last = text[text.rfind("\n") + 1 :]
    return Log(stat, _heartbeat(text), _failure(text, last), last.startswith(STOPPED))


def _heartbeat(text: str) -> Heartbeat | None:
    for line in reversed(text.splitlines()):
        if found := _HEARTBEAT.search(line):
            success = found["success"]
            return Heartbeat(
                int(found["done"]),
                int(found["total"]),
                found["unit"],
                int(found["rate"]),
                int(success) / 100 if success else None,
            )
    return None


def _failure(text: str, last: str) -> str | None:
    if last.startswith("fmq: "):
        return None if last.startswith(NOTICES) else one_line(last.removeprefix("fmq: "))
    _, traceback, rest = text.rpartition(_TRACEBACK)
    if traceback:
        told = (line for line in rest.splitlines() if line and not line.startswith(" "))
        return one_line(next(told, "a traceback that breaks off"))
    crash = _CRASH.search(text)
    return one_line(crash[0]) if crash else None
