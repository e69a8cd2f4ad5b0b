"""Measure where training time goes, for the metrics."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """A stopwatch that adds up seconds and counts of named activities between two metrics rows."""

    def __init__(self, runs: int = 1) -> None:
        """Start a clock for `runs` runs, which take turns and spend the same time on everything."""
        self.runs = runs
        self._begin()

    def _begin(self) -> None:
        self.start = time.perf_counter()
        self.counts: Counter[str] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def measure(self, name: str, count: int = 1) -> Iterator[None]:
        """Time the block, and count it as `count` times the activity `name`."""
        start = time.perf_counter()
        yield
        self.counts[name] += count
        self.seconds[name] += time.perf_counter() - start

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Leave the block, such as an evaluation, out of all shares and rates."""
        start = time.perf_counter()
        yield
        self.start += time.perf_counter() - start

    def row(self, *names: str) -> dict[str, float]:
        """Return the share of time and the rate per second of each activity, and start over.

        Rates are per second of total time, so that rates and shares together show what could be
        gained. With several runs, the share is that of all runs, and the rate is that of each run.
        """
        whole = max(time.perf_counter() - self.start, 1e-9)
        row = {f"{name}_share": self.seconds[name] / whole for name in names}
        row |= {f"{name}_rate": self.counts[name] / self.runs / whole for name in names}
        self._begin()
        return row
