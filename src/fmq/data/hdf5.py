"""Read HDF5 files that others made: everything from the file itself, and one line when it fails.

HDF5 can point to other files by external links, virtual data sets and external storage, and a soft
link may lead through one of those. A downloaded file could so read any file of this machine;
nothing but plain members is accepted.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from fmq.errors import UserError
from fmq.messages import one_line

OTHER_FORMAT = "take a file in RoboMimic's format, as docs/add_task.md describes it"
"""The remedy for a file that is laid out otherwise."""

_UNPACKED = (2**28, 100)
"""Bytes that any file may unpack to, and how often its own size; real data shrink to a half."""


@contextmanager
def open_file(path: Path) -> Iterator[h5py.File]:
    """The file, open for reading inside the block.

    Raises:
        UserError: it is missing, no HDF5 file, cut off or damaged; also if h5py finds that out
            only while the block reads.
    """
    try:
        with path.open("rb"):  # h5py's own errors about missing files span several lines
            pass
        with h5py.File(path, "r") as file:
            yield file
    except UserError:
        raise
    except OSError as error:
        if error.errno:
            raise UserError(f"{path}: cannot be read: {one_line(str(error.strerror))}") from None
        raise _damaged(path) from None
    except Exception:  # on bytes that are none of its own, h5py raises any kind
        raise _damaged(path) from None


def _damaged(path: Path) -> UserError:
    return UserError(f"{path}: damaged, cut off or no HDF5 file; make or download it again")


def read_group(parent: h5py.Group, name: str) -> h5py.Group:
    """The group `name` of `parent`; `UserError` if it is missing, a link or no group."""
    member = _member(parent, name)
    if not isinstance(member, h5py.Group):
        raise UserError(f"{_where(parent, name)} is no group; {OTHER_FORMAT}")
    return member


def read_array(
    parent: h5py.Group, name: str, shape: tuple[int | None, ...] | None = None
) -> np.ndarray:
    """All numbers of the data set `name` of `parent`.

    Args:
        shape: that it has to have, None for a length that is not known; any shape if not given.

    Raises:
        UserError: it is missing, a link, kept in another file, no array of numbers, of another
            shape, or would unpack to more than data do.
    """
    member = _member(parent, name)
    if not isinstance(member, h5py.Dataset) or member.dtype.kind not in "fiub":
        raise UserError(f"{_where(parent, name)} is no array of numbers; {OTHER_FORMAT}")
    if member.is_virtual or member.external:
        raise UserError(
            f"{_where(parent, name)} keeps its numbers in another file; "
            "take a file that holds all of its own data"
        )
    if shape is not None and not _fits(member.shape, shape):
        raise UserError(
            f"{_where(parent, name)} has shape {member.shape}, but {shape} is needed (num_samples, "
            "at least 1, by the task's width); take the file of this task"
        )
    # What was announced and never written, HDF5 makes up.
    check_size(parent.file, math.prod(member.shape) * member.dtype.itemsize)
    return member[()]


def read_names(parent: h5py.Group, name: str) -> list[str]:
    """All texts of the data set `name` of `parent`: at least one, a million at most.

    Raises:
        UserError: it is missing, a link, kept in another file, or no such list.
    """
    member = _member(parent, name)
    listed = isinstance(member, h5py.Dataset) and member.ndim == 1 and member.dtype.kind in "SO"
    if not listed or member.is_virtual or member.external or not 0 < len(member) <= 10**6:
        raise UserError(f"{_where(parent, name)} is no list of names; {OTHER_FORMAT}")
    check_size(parent.file, math.prod(member.shape) * member.dtype.itemsize)
    return list(member.asstr(errors="replace")[()])


def _fits(shape: tuple[int, ...] | None, wanted: tuple[int | None, ...]) -> bool:
    """Whether a data set has this shape; one without any numbers has None."""
    return (
        shape is not None
        and len(shape) == len(wanted)
        and shape[0] > 0
        and all(one in (None, length) for length, one in zip(shape, wanted, strict=True))
    )


def check_size(file: h5py.File, size: int) -> None:
    """Raise `UserError` if `size` bytes are more than a file like this one can hold as data."""
    spare, factor = _UNPACKED
    if size > spare + factor * Path(file.filename).stat().st_size:
        raise UserError(
            f"{file.filename}: unpacks to {size:,} bytes, over {factor} times its size, so it is "
            "no data set; make or download it again"
        )


def read_attribute(parent: h5py.Group, name: str) -> Any:
    """The attribute `name` of a group; `UserError` if it is missing."""
    if name not in parent.attrs:
        raise UserError(
            f"{parent.file.filename}: {parent.name} has no attribute {name!r}; {OTHER_FORMAT}"
        )
    return parent.attrs[name]


def _member(parent: h5py.Group, name: str) -> Any:
    """A member that is really in the file: links are looked at and never followed."""
    link = parent.get(name, getlink=True) if name in parent.keys() else None  # noqa: SIM118
    if link is None:
        raise UserError(f"{_where(parent, name)} is missing; {OTHER_FORMAT}")
    if not isinstance(link, h5py.HardLink):
        raise UserError(
            f"{_where(parent, name)} is a link; allowed are files that hold all of their own data"
        )
    return parent[name]


def _where(parent: h5py.Group, name: str) -> str:
    return f"{parent.file.filename}: {one_line(parent.name.rstrip('/'))}/{name}"
