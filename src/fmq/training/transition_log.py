"""Keep online transitions of an unfinished run in a file that is only ever appended to."""

import os
from pathlib import Path

import numpy as np


class TransitionLog:
    """A file of online transitions in the order in which they were seen."""

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
        """Queue a transition for `flush`; its fields are those of `kind`, in order."""
        self.pending.append(transition)

    def flush(self) -> int:
        """Append the queued transitions, sync the file to disk, and return its number of rows."""
        with self.path.open("ab") as file:
            file.write(np.array(self.pending, self.kind).tobytes())
            file.flush()
            os.fsync(file.fileno())
        self.rows += len(self.pending)
        self.pending.clear()
        return self.rows

    def restore(self, rows: int) -> np.ndarray:
        """Return the first `rows` transitions, an array (rows,) of dtype `kind`.

        Later rows were written after the last save of the progress and are cut off, because the run
        will see them again. A shorter file is returned as it is, for the caller to refuse.
        """
        self.rows = rows
        if not self.path.exists():
            return np.empty(0, self.kind)
        # Truncating a shorter file would extend it with zeros.
        if self.path.stat().st_size > rows * self.kind.itemsize:
            os.truncate(self.path, rows * self.kind.itemsize)
        return np.fromfile(self.path, self.kind)
