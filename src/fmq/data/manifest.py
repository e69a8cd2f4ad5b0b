"""The manifest of a data set's folder: what its files are, where they came from, their checksums.

``manifest.json`` is written last, so a folder that has one is complete.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from fmq.errors import UserError
from fmq.files import atomic_path

FILE_NAME = "manifest.json"

SHA256 = re.compile(r"[0-9a-f]{64}")
"""The digest of a file, in lower-case hexadecimal."""

_BARE_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,199}", re.ASCII)
"""A manifest must not point out of its folder."""

_LONGEST = 1000
"""Characters of a name or a source."""


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write ``folder/manifest.json``, whole or not at all.

    Args:
        folder: an existing folder.
        manifest: JSON values with at least ``name`` (of the data set), ``source`` and ``files``,
            which maps a file's name in the folder to at least ``bytes`` and ``sha256``.
    """
    with atomic_path(folder / FILE_NAME) as temporary:
        temporary.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The content of ``folder/manifest.json``; `UserError` if there is none or it is broken."""
    path = folder / FILE_NAME
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_unique)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"{path}: not there, so the data set is incomplete; make it again"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path}: not JSON; make the data set again") from None
    if not _is_manifest(manifest):
        raise UserError(
            f"{path}: no data-set manifest (it needs a name, a source and files, each of these "
            "a bare name with its bytes and sha256); make the data set again"
        )
    return manifest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of two values for one key, JSON's reader would lose the first."""
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key is given twice")
    return values


def _is_manifest(value: Any) -> bool:
    """Whether the fields that this module reads are there and of the right kind."""
    if not isinstance(value, dict) or not {"name", "source", "files"} <= value.keys():
        return False
    files = value["files"]
    return (
        _is_line(value["name"])
        and _is_line(value["source"])
        and isinstance(files, dict)
        and bool(files)
        and all(_BARE_NAME.fullmatch(name) for name in files)
        and all(map(_is_entry, files.values()))
    )


def _is_line(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and 0 < len(value) <= _LONGEST


def _is_entry(value: Any) -> bool:
    """Whether it has the size and the digest of a file; True is no size."""
    return (
        isinstance(value, dict)
        and type(value.get("bytes")) is int
        and value["bytes"] >= 0
        and isinstance(value.get("sha256"), str)
        and SHA256.fullmatch(value["sha256"]) is not None
    )


def check_dataset(folder: Path, name: str) -> dict[str, Any]:
    """Verify that the data set `name` is in `folder` as its manifest says, and return that.

    Raises:
        UserError: another data set's manifest, a missing file, another size or checksum.
    """
    manifest = read_manifest(folder)
    if manifest["name"] != name:
        raise UserError(
            f"{folder / FILE_NAME}: describes {manifest['name']!r}, expected {name!r}; "
            "put each data set into a folder of its own"
        )
    for file_name, entry in manifest["files"].items():
        _check_file(folder / file_name, entry)
    return manifest


def _check_file(path: Path, entry: dict[str, Any]) -> None:
    if not path.is_file():
        raise UserError(f"{path}: missing, though the manifest lists it; make the data set again")
    size = path.stat().st_size
    if size != entry["bytes"]:
        raise UserError(
            f"{path}: {size} bytes, but {entry['bytes']} in the manifest; make the data set again"
        )
    if file_sha256(path) != entry["sha256"]:
        raise UserError(
            f"{path}: its SHA-256 is not the manifest's, so it was changed; make the data set again"
        )
