"""Where the time of training goes, for the metrics."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Seconds and counts of named activities between two rows of metrics."""

    def __init__(self, runs: int = 1) -> None:
        """`runs` take turns, and do the same of everything."""
        self.runs = runs
        self._begin()

    def _begin(self) -> None:
        self.start = time.perf_counter()
        self.counts: Counter[str] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def measure(self, name: str, count: int = 1) -> Iterator[None]:
        """Time the block as `count` more of `name`."""
        start = time.perf_counter()
        yield
        self.counts[name] += count
        self.seconds[name] += time.perf_counter() - start

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Leave the block out of all shares: an evaluation."""
        start = time.perf_counter()
        yield
        self.start += time.perf_counter() - start

    def row(self, *names: str) -> dict[str, float]:
        """Share of the time in each activity, and how many of each a second; then begin anew.

        The rate is per second of all time, so that rates and shares tell what could be gained. Of
        several runs, the share is that of all, and the rate that of each.
        """
        whole = max(time.perf_counter() - self.start, 1e-9)
        row = {f"{name}_share": self.seconds[name] / whole for name in names}
        row |= {f"{name}_rate": self.counts[name] / self.runs / whole for name in names}
        self._begin()
        return row
