"""What the system tells of processes."""

import time
from pathlib import Path


def children(process: int) -> set[int]:
    """The processes that a process has started, and that still run."""
    lists = Path(f"/proc/{process}/task").glob("*/children")
    return {int(child) for file in lists for child in file.read_text().split()}


def runs(process: int) -> bool:
    """Whether a process runs; one that has ended may wait for its parent to notice."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def all_end(processes: set[int], seconds: float = 300) -> bool:
    """Whether all of some processes end within some time."""
    end = time.monotonic() + seconds
    while any(map(runs, processes)):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
