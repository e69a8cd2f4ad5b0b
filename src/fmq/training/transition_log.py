"""Online transitions of an unfinished run, in a file that is appended to and never rewritten."""

import os
from pathlib import Path

import numpy as np


class TransitionLog:
    """Transitions in the order in which they were seen; the offline part is the data set's."""

    def __init__(self, path: Path, observation_size: int, action_size: int) -> None:
        self.path = path
        self.kind = np.dtype(
            [
                ("observation", np.float32, (observation_size,)),
                ("action", np.float32, (action_size,)),
                ("reward", np.float32),
                ("mask", np.float32),
                ("terminal", np.bool_),
                ("next_observation", np.float32, (observation_size,)),
            ]
        )
        self.pending: list[tuple[object, ...]] = []
        self.rows = 0

    def add(self, *transition: object) -> None:
        """Note a transition down; its fields are those of `kind`, in order."""
        self.pending.append(transition)

    def flush(self) -> int:
        """Append what was noted down, to the disk itself; returns the rows of the file."""
        with self.path.open("ab") as file:
            file.write(np.array(self.pending, self.kind).tobytes())
            file.flush()
            os.fsync(file.fileno())
        self.rows += len(self.pending)
        self.pending.clear()
        return self.rows

    def restore(self, rows: int) -> np.ndarray:
        """The first `rows` transitions, (rows,) of `kind`.

        What follows them was written after progress was kept for the last time, and is cut off: the
        run will see it again. A shorter file is read as it is, for the caller to refuse.
        """
        self.rows = rows
        if not self.path.exists():
            return np.empty(0, self.kind)
        # Truncating to more than there is would make transitions up, out of zeros.
        if self.path.stat().st_size > rows * self.kind.itemsize:
            os.truncate(self.path, rows * self.kind.itemsize)
        return np.fromfile(self.path, self.kind)
