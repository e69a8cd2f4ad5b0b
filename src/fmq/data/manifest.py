"""The manifest of a data set's folder: its files, their origin and their checksums.

``manifest.json`` is written last, so a folder that has one is complete.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, ValidationError, model_validator

from fmq.base.errors import UserError
from fmq.base.files import atomic_path, file_sha256
from fmq.pipeline.paths import MANIFEST

SHA256 = re.compile(r"[0-9a-f]{64}")
"""Matches the digest of a file, in lower-case hexadecimal."""


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("not printable")
    return text


_Line = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_printable)]

_BareName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,199}$")]
"""A file name without folders: a manifest must not point outside its own folder."""


class _File(BaseModel, strict=True):
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=f"^{SHA256.pattern}$")


class _Manifest(BaseModel, strict=True):
    """The part of a manifest that this package reads; there may be more."""

    name: _Line
    source: _Line
    settings: dict[str, Any] = {}
    files: dict[_BareName, _File]

    @model_validator(mode="after")
    def _not_empty(self) -> "_Manifest":
        if not self.files and self.settings.get("source") != "none":
            raise ValueError("no files")
        return self


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write ``folder/manifest.json`` atomically.

    Args:
        folder: an existing folder.
        manifest: JSON values with at least ``name`` (of the data set), ``source`` and ``files``,
            which maps each file name in the folder to at least ``bytes`` and ``sha256``.
    """
    with atomic_path(folder / MANIFEST) as temporary:
        temporary.write_text(
            json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the content of ``folder/manifest.json``.

    Raises:
        UserError: the manifest is missing, unreadable or invalid.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_unique)
        _Manifest.model_validate(manifest)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: missing, so the data set is incomplete; make it again") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except ValidationError:
        raise UserError(
            f"{path}: not a data-set manifest (it needs a name, a source and files, each with a "
            "bare file name, its bytes and its sha256); make the data set again"
        ) from None
    except (ValueError, RecursionError):
        raise UserError(f"{path}: not JSON; make the data set again") from None
    return manifest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object as a dictionary; reject duplicate keys, which json would accept."""
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key is given twice")
    return values


def find_datasets(name: str, results: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield each complete folder of a data set in `results` with the SHA-256 of its files."""
    for path in sorted((results / "datasets").glob(f"{name}-*/{MANIFEST}")):
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
            f"{folder / MANIFEST}: describes {manifest['name']!r}, expected {name!r}; "
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
