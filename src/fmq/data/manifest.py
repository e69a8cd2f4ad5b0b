"""The manifest of a data set's folder: its files, their origin and their checksums.

``manifest.json`` is written last, so a folder that has one is complete.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fmq.base.errors import UserError
from fmq.base.files import atomic_path, file_sha256

FILE_NAME = "manifest.json"

SHA256 = re.compile(r"[0-9a-f]{64}")
"""Matches the digest of a file, in lower-case hexadecimal."""

_BARE_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,199}", re.ASCII)
"""Matches a file name without folders: a manifest must not point outside its own folder."""

_LONGEST = 1000
"""Maximum number of characters in a name or a source."""


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write ``folder/manifest.json`` atomically.

    Args:
        folder: an existing folder.
        manifest: JSON values with at least ``name`` (of the data set), ``source`` and ``files``,
            which maps each file name in the folder to at least ``bytes`` and ``sha256``.
    """
    with atomic_path(folder / FILE_NAME) as temporary:
        temporary.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the content of ``folder/manifest.json``.

    Raises:
        UserError: the manifest is missing, unreadable or invalid.
    """
    path = folder / FILE_NAME
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_unique)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: missing, so the data set is incomplete; make it again") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path}: not JSON; make the data set again") from None
    if not _is_manifest(manifest):
        raise UserError(
            f"{path}: not a data-set manifest (it needs a name, a source and files, each with a "
            "bare file name, its bytes and its sha256); make the data set again"
        )
    return manifest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object as a dictionary; reject duplicate keys, which json would accept."""
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key is given twice")
    return values


def _is_manifest(value: Any) -> bool:
    """Return whether all fields that this module reads are present and valid."""
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
    """Return whether `value` has a valid file size and digest; a bool is not a size."""
    return (
        isinstance(value, dict)
        and type(value.get("bytes")) is int
        and value["bytes"] >= 0
        and isinstance(value.get("sha256"), str)
        and SHA256.fullmatch(value["sha256"]) is not None
    )


def find_datasets(name: str, results: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield each complete folder of a data set in `results` with the SHA-256 of its files."""
    for path in sorted((results / "datasets").glob(f"{name}-*/{FILE_NAME}")):
        try:
            manifest = read_manifest(path.parent)
        except UserError:
            continue  # reported when a run uses the folder
        if manifest["name"] == name:
            yield path.parent, {file: one["sha256"] for file, one in manifest["files"].items()}


def check_dataset(folder: Path, name: str) -> dict[str, Any]:
    """Verify that `folder` holds the data set `name` as its manifest says; return the manifest.

    Raises:
        UserError: the manifest is of another data set, or a file is missing or has another size
            or checksum.
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
