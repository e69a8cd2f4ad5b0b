"""Identities: hashes of settings and files, which address results by content.

Equal settings and equal bytes have equal identities, whatever their dates and paths.
"""

import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from fmq.base.errors import UserError
from fmq.base.files import atomic_path, cache_folder, file_sha256

SHOWN = 8
"""Digits of an identity in the names of folders and files; records hold all 16."""
MISSING = "missing"


def settings_hash(settings: dict[str, Any]) -> str:
    """Return an identity of 16 hexadecimal digits; equal settings have equal identities."""
    return hashlib.sha256(canonical(settings).encode()).hexdigest()[:16]


def short(identity: str) -> str:
    """Return the first digits of an identity, for names of folders and files."""
    return identity[:SHOWN]


def canonical(values: Any) -> str:
    """Return canonical JSON text: equal settings give equal text."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), default=str)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes; it is read again only if it was written since.

    Hashing takes a second per gigabyte, so digests are cached by the file's path, device, inode,
    size and times. The key includes the ctime, which cannot be set by hand, so a file replaced by
    one with the same size and date is read again.

    A missing file has the digest `MISSING`, so that plans can be made and results viewed without
    it. Code that reads the file reports that it is missing.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        if not path.is_file():
            return MISSING
        stat = path.stat()
        known = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        return _digest_once(path.absolute(), known)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


@cache
def _digest_once(path: Path, known: tuple[int, ...]) -> str:
    key = hashlib.sha256(f"{path}\0{known}".encode()).hexdigest()
    try:
        kept = cache_folder("digests") / key
    except OSError:  # no home
        return file_sha256(path)
    try:
        found = kept.read_text(encoding="ascii").strip()
        if re.fullmatch("[0-9a-f]{64}", found):
            return found
    except (OSError, ValueError):
        pass  # none yet, or a damaged one
    digest = file_sha256(path)
    try:
        with atomic_path(kept) as temporary:
            temporary.write_text(f"{digest}\n", encoding="utf-8")
    except OSError:
        pass  # without a writable cache, the file is hashed again next time
    return digest
