"""Atomic writing: a file is either complete or absent."""

import atexit
import csv
import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from uuid import uuid4

from platformdirs import user_cache_path

from fmq.base.errors import UserError
from fmq.base.messages import notice

CACHE = "FMQ_CACHE_DIR"
"""Environment variable that replaces the user's cache folder."""


def expanded(path: str) -> Path:
    """Return a path of the settings with ``~`` and environment variables replaced.

    Raises:
        UserError: a variable is not set, or `in_home` fails.
    """
    found = os.path.expandvars(path)
    if unset := re.search(r"\$(\w+|\{\w+\})", found):
        raise UserError(f"{path}: {unset[0]} is not set; export it, or write the whole path")
    return in_home(found)


def in_home(path: str | Path) -> Path:
    """Return a path with a ``~`` at its beginning replaced by the home folder.

    Raises:
        UserError: nobody can tell the home folder: HOME is not set and the system does not know
            the user, as in a container that was started with a bare user id.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UserError(
            f"{path}: the home folder behind {Path(path).parts[0]} is not known here; set HOME, or "
            "write the whole path"
        ) from None


def cache_folder(kind: str) -> Path:
    """Return the cache folder for one kind of file; it may not exist.

    Cached files can be regenerated at any time.

    Raises:
        FileNotFoundError: `CACHE` is not set, and the user has no home folder.
    """
    if chosen := os.environ.get(CACHE):
        return in_home(chosen) / kind
    try:
        folder = user_cache_path("fmq")
    except RuntimeError:  # platformdirs fails without a home folder; older ones return "~"
        folder = Path("~")
    if not folder.is_absolute():
        raise FileNotFoundError(errno.ENOENT, f"no home folder, and {CACHE} is not set", "~")
    return folder / kind


def lend_cache() -> None:
    """Give this process and its children a temporary cache where the user's cannot be written.

    Snakemake keeps files there too, and does not start without.
    """
    try:
        folder = user_cache_path("fmq")
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError) as error:
        folder = Path(tempfile.mkdtemp(prefix="fmq-cache-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["XDG_CACHE_HOME"] = str(folder)
        told = f"no cache in the home folder ({error}); what is kept there lasts until the end"
        notice(f"{told} of this study; name another folder in XDG_CACHE_HOME")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, and rename it to `path` if the block succeeds.

    The parent folder is created if needed. After an error the temporary file is deleted and an
    existing `path` is left untouched. The content is flushed to disk before the rename, so that
    even a machine crash leaves either the old file or the new one.
    The temporary name keeps the suffix, because many writers choose their format by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}-{uuid4().hex}{path.suffix}")
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def refuse_occupied(path: Path) -> None:
    """Raise `UserError` if `path` exists and is not an empty folder."""
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise UserError(f"{path}: already exists; name another folder, or delete it first")


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder, and rename it to `path` if the block succeeds.

    After an error the temporary folder is deleted. The folder may hold files, but no subfolders.

    Raises:
        UserError: `path` exists and is not an empty folder.
    """
    path = path.resolve()
    refuse_occupied(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{uuid4().hex}")
    temporary.mkdir()
    try:
        yield temporary
        for file in temporary.iterdir():
            _flush(file)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write indented JSON atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as CSV, not atomically; columns that a row lacks are left empty."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def matching(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield the paths in a folder that match a pattern such as ``runs/*/seed*``, in order.

    `Path.glob` passes over folders that may not be listed, as if they were empty.

    Raises:
        PermissionError: a folder may not be listed.
    """
    first, _, rest = pattern.partition("/")
    try:
        found = sorted(path for path in folder.iterdir() if fnmatchcase(path.name, first))
    except (FileNotFoundError, NotADirectoryError):
        return
    for path in found:
        yield from matching(path, rest) if rest else (path,)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sweep(folder: Path) -> None:
    """Delete temporary files that killed writers left; only the owner of `folder` may call it."""
    for left in folder.glob(".*-" + "[0-9a-f]" * 32 + "*"):
        left.unlink()


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
