"""Progress reports: a bar on a terminal, a periodic heartbeat line in a log file."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

HEARTBEAT_SECONDS = 15.0


class Heartbeat:
    """A step counter that reports progress, as a bar on a terminal or as lines in a log."""

    def __init__(self, name: str, total: int, unit: str) -> None:
        self.name, self.total, self.unit = name, total, unit
        self.done = 0
        self.note = ""
        self.start = self.last = time.monotonic()
        self.bar = tqdm(total=total, desc=name, unit=unit, disable=None, dynamic_ncols=True)

    def advance(self, count: int = 1) -> None:
        """Count `count` more steps; without a terminal, print a line every 15 seconds or so."""
        self.done += count
        self.bar.update(count)
        if self.bar.disable and time.monotonic() - self.last > HEARTBEAT_SECONDS:
            self.say()

    def say(self) -> None:
        """Print one line with the count, the rate and the latest note."""
        self.last = time.monotonic()
        rate = self.done / max(self.last - self.start, 1e-9)
        line = f"{self.name}: {self.done}/{self.total} {self.unit}, {rate:.0f} {self.unit}/s"
        print(f"{line}{self.note and ', ' + self.note}", file=sys.stderr, flush=True)

    def remark(self, note: str) -> None:
        """Show `note` beside the count from now on."""
        self.note = note
        self.bar.set_postfix_str(note)


@contextmanager
def progress(name: str, total: int, unit: str) -> Iterator[Heartbeat]:
    """Show the progress of `total` steps; without a terminal, print a last line at the end."""
    heartbeat = Heartbeat(name, total, unit)
    try:
        yield heartbeat
        if heartbeat.bar.disable:
            heartbeat.say()
    finally:
        heartbeat.bar.close()
