"""Read from the end of a job's log how far the job is, or why it failed."""

import os
import re
from pathlib import Path
from typing import NamedTuple

from fmq.base.messages import NOTICE, PREFIX, STOPPED, one_line

TAIL = 8_192
"""Bytes read from the end of a log: enough for a traceback, however long the log is."""

_STOPPED = f"{PREFIX}{STOPPED}"
# What `fmq.base.progress` writes: "NAME: 898/4050 updates, 60 updates/s, success 12% at 2250".
_HEARTBEAT = re.compile(
    r": (?P<done>\d+)/(?P<total>\d+) (?P<unit>\w+), (?P<rate>\d+) (?P=unit)/s"
    r"(?:, success (?P<success>\d+)%(?: at \d+)?)?$"
)
_TRACEBACK = "Traceback (most recent call last):"
_CRASH = re.compile(r"^(Fatal Python error: .*|.*: command not found)$", re.MULTILINE)


class Heartbeat(NamedTuple):
    """The progress of a process since it started; an earlier process may have done other steps.

    Attributes:
        done, total: units done by this process, and units that it has to do.
        unit: name of the units.
        rate: units per second, evaluations included, rounded; 0 means less than a half.
        success: fraction of successful episodes in the last evaluation, in steps of 0.01.
    """

    done: int
    total: int
    unit: str
    rate: int
    success: float | None

    @property
    def seconds_left(self) -> float | None:
        """Return the seconds to the last unit at that rate; None if the rate is 0."""
        return (self.total - self.done) / self.rate if self.rate else None


class Log(NamedTuple):
    """The information at the end of a log.

    Attributes:
        stat: the system's information on the file.
        heartbeat: last progress line; None if there is none.
        failure: first line of the reason why the job failed; None if the log does not end with one.
        stopped: whether the job stopped on request, with its progress saved.
    """

    stat: os.stat_result
    heartbeat: Heartbeat | None
    failure: str | None
    stopped: bool


def read_log(path: Path) -> Log | None:
    """Read the end of a log; return None if it cannot be read."""
    try:
        with path.open("rb") as file:
            stat = os.fstat(file.fileno())
            file.seek(max(stat.st_size - TAIL, 0))
            text = file.read(TAIL).decode(errors="replace").rstrip()
    except OSError:
        return None
    last = text[text.rfind("\n") + 1 :]
    return Log(stat, _heartbeat(text), _failure(text, last), last.startswith(_STOPPED))


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
    if last.startswith((_STOPPED, NOTICE)):
        return None
    if last.startswith(PREFIX):
        return one_line(last.removeprefix(PREFIX))
    _, traceback, rest = text.rpartition(_TRACEBACK)
    if traceback:
        told = (line for line in rest.splitlines() if line and not line.startswith(" "))
        return one_line(next(told, "an incomplete traceback"))
    crash = _CRASH.search(text)
    return one_line(crash[0]) if crash else None
