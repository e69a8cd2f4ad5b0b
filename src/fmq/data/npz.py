"""Read the arrays of an untrusted npz file: nothing is unpickled, errors take one line."""

import math
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from fmq.base.errors import UserError

_UNPACKED = (2**28, 100)
"""Unpacked size allowed: this many bytes plus this many times the file size.

Real data compress to about half their size.
"""

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}

Arrays = dict[str, np.ndarray]


def read_arrays(path: Path, names: Iterable[str]) -> Arrays:
    """Return those of the arrays `names` that the file has, in the order of `names`.

    Raises:
        UserError: the file is missing or damaged, unpacks to an implausible size, or one of these
            arrays holds Python objects.
    """
    arrays: Arrays = {}
    name = ""
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(path, archive)
            for name in names:
                if name in members:
                    arrays[name] = _read_array(path, archive, name)
    except UserError:
        raise
    except OSError as error:
        if error.errno:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from None
        raise _damaged(path, name) from None
    except Exception:  # zipfile and numpy may raise any exception on invalid bytes
        raise _damaged(path, name) from None
    return arrays


def _damaged(path: Path, name: str) -> UserError:
    where = f" (array {name!r})" if name else ""
    return UserError(f"{path}: damaged, cut off or not an npz file{where}; make it again")


def _members(path: Path, archive: zipfile.ZipFile) -> set[str]:
    """Return the array names; raise `UserError` if it is a zip bomb."""
    total = sum(member.file_size for member in archive.infolist())
    spare, factor = _UNPACKED
    if total > spare + factor * path.stat().st_size:
        raise UserError(
            f"{path}: unpacks to {total:,} bytes, over {factor} times its size, so it is not a "
            "data set; make it again"
        )
    names = [member.filename.removesuffix(".npy") for member in archive.infolist()]
    if len(set(names)) < len(names):
        raise zipfile.BadZipFile("two arrays of one name")
    return set(names)


def _read_array(path: Path, archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Read an array after checking that its announced size matches that of its zip member.

    Otherwise a small file could allocate much memory, or leave bytes whose checksum is not tested.
    """
    member = archive.getinfo(f"{name}.npy")
    with archive.open(member) as file:
        read_header = _HEADERS[np.lib.format.read_magic(file)]
        shape, _, kind = read_header(file)
        if kind.hasobject:
            raise UserError(
                f"{path}: array {name!r} holds Python objects; allowed are numbers only"
            )
        if min(shape, default=0) < 0 or file.tell() + math.prod(shape) * kind.itemsize != (
            member.file_size
        ):
            raise ValueError("announces another size than it has")
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)
