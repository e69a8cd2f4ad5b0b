"""Read untrusted HDF5 files: only data stored in the file itself, with one-line errors.

HDF5 can refer to other files by external links, virtual data sets and external storage, and a soft
link may lead through one of those. A downloaded file could thereby read any file on this machine,
so only plain members are accepted.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from fmq.base.errors import UserError
from fmq.base.messages import one_line, shown

OTHER_FORMAT = "take a file in RoboMimic's format, as docs/add_task.md describes it"
"""What the messages advise when a file has another layout."""

_UNPACKED = (2**28, 100)
"""Limit on decompressed size: a flat allowance in bytes, plus a multiple of the file's size.

Compression only halves real data.
"""


@contextmanager
def open_file(path: Path) -> Iterator[h5py.File]:
    """Open the file for reading inside the block.

    Raises:
        UserError: the file is missing, truncated, damaged or not HDF5, even if h5py notices only
            while the block reads.
    """
    try:
        with path.open("rb"):  # h5py's own errors about missing files span several lines
            pass
        # Without locks: some disks have none, and a file that is only read needs none, since
        # whoever writes here renames a finished file into place.
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except UserError:
        raise
    except OSError as error:
        if error.errno:
            raise UserError(f"{path}: cannot be read: {one_line(str(error.strerror))}") from None
        raise _damaged(path) from None
    except Exception:  # h5py raises exceptions of any kind on malformed bytes
        raise _damaged(path) from None


def _damaged(path: Path) -> UserError:
    return UserError(f"{path}: damaged, cut off or not an HDF5 file; make or download it again")


def read_group(parent: h5py.Group, name: str) -> h5py.Group:
    """Return the group `name` of `parent`; `UserError` if it is missing, a link or not a group."""
    member = _member(parent, name)
    if not isinstance(member, h5py.Group):
        raise UserError(f"{_where(parent, name)} is not a group; {OTHER_FORMAT}")
    return member


def read_array(
    parent: h5py.Group, name: str, shape: tuple[int | None, ...] | None = None
) -> np.ndarray:
    """Return the data set `name` of `parent` as an array of numbers.

    Args:
        shape: the required shape, with None for axes of any length; any shape if omitted.

    Raises:
        UserError: the data set is missing, a link, stored in another file, not an array of
            numbers, of another shape, or would decompress to an implausible size.
    """
    member = _member(parent, name)
    if not isinstance(member, h5py.Dataset) or member.dtype.kind not in "fiub":
        raise UserError(f"{_where(parent, name)} is not an array of numbers; {OTHER_FORMAT}")
    if member.is_virtual or member.external:
        raise UserError(
            f"{_where(parent, name)} keeps its numbers in another file; "
            "use a file that contains all of its data"
        )
    if shape is not None and not _fits(member.shape, shape):
        raise UserError(
            f"{_where(parent, name)} has shape {member.shape}, but {shape} is needed (num_samples, "
            "at least 1, by the task's width); use the file of this task"
        )
    # HDF5 fills in values that were declared but never written, so a tiny file can expand to any
    # size.
    check_size(parent.file, math.prod(member.shape) * member.dtype.itemsize)
    return member[()]


def has_rows(parent: h5py.Group, name: str) -> bool:
    """Return whether `parent` has a data set `name` with a row; one of no axis counts as a row.

    Raises:
        UserError: it is a link.
    """
    if name not in parent.keys():  # noqa: SIM118  a group's own `in` follows links
        return False
    member = _member(parent, name)
    if not isinstance(member, h5py.Dataset):
        return True
    return member.shape is not None and member.shape[:1] != (0,)


def read_names(parent: h5py.Group, name: str) -> list[str]:
    """Return the strings in the data set `name` of `parent`: at least one, at most a million.

    Raises:
        UserError: the data set is missing, a link, stored in another file, or not such a list.
    """
    member = _member(parent, name)
    listed = isinstance(member, h5py.Dataset) and member.ndim == 1 and member.dtype.kind in "SO"
    if not listed or member.is_virtual or member.external or not 0 < len(member) <= 10**6:
        raise UserError(f"{_where(parent, name)} is not a list of names; {OTHER_FORMAT}")
    check_size(parent.file, math.prod(member.shape) * member.dtype.itemsize)
    return list(member.asstr(errors="replace")[()])


def _fits(shape: tuple[int, ...] | None, wanted: tuple[int | None, ...]) -> bool:
    """Return whether `shape` matches; h5py gives the shape of an empty data set as None."""
    return (
        shape is not None
        and len(shape) == len(wanted)
        and shape[0] > 0
        and all(one in (None, length) for length, one in zip(shape, wanted, strict=True))
    )


def check_size(file: h5py.File, size: int) -> None:
    """Raise `UserError` if `size` bytes are implausibly many for a file of this size."""
    spare, factor = _UNPACKED
    if size > spare + factor * Path(file.filename).stat().st_size:
        raise UserError(
            f"{file.filename}: unpacks to {size:,} bytes, over {factor} times its size, so it "
            "cannot be a data set; make or download it again"
        )


def read_count(parent: h5py.Group, name: str) -> int:
    """Return the attribute `name` as a whole number; 29, 29.0 and [29] are all 29.

    Raises:
        UserError: it is missing, or no whole number of at least 0.
    """
    told = read_attribute(parent, name)
    value = np.asarray(told)
    if value.size == 1 and value.dtype.kind in "iuf":
        number = value.item()
        if number >= 0 and number == number // 1:  # false of nan and inf
            return int(number)
    raise UserError(
        f"{parent.file.filename}: {parent.name} has {shown(told)} as attribute {name!r}, allowed "
        f"are whole numbers; {OTHER_FORMAT}"
    )


def read_attribute(parent: h5py.Group, name: str) -> Any:
    """Return the attribute `name` of a group; `UserError` if it is missing."""
    if name not in parent.attrs:
        raise UserError(
            f"{parent.file.filename}: {parent.name} has no attribute {name!r}; {OTHER_FORMAT}"
        )
    return parent.attrs[name]


def _member(parent: h5py.Group, name: str) -> Any:
    """Return a member stored in the file itself; links are refused without being followed."""
    link = parent.get(name, getlink=True) if name in parent.keys() else None  # noqa: SIM118
    if link is None:
        raise UserError(f"{_where(parent, name)} is missing; {OTHER_FORMAT}")
    if not isinstance(link, h5py.HardLink):
        raise UserError(
            f"{_where(parent, name)} is a link; use a file that contains all of its data"
        )
    return parent[name]


def _where(parent: h5py.Group, name: str) -> str:
    return f"{parent.file.filename}: {one_line(parent.name.rstrip('/'))}/{name}"
