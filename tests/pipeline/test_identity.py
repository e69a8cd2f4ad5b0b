"""Test digests of files: a file is read again if, and only if, it was written since."""

import hashlib
from pathlib import Path

import pytest

from fmq.base.errors import UserError
from fmq.base.files import CACHE
from fmq.pipeline import identity
from fmq.pipeline.identity import MISSING, file_digest

DIGEST = hashlib.sha256(b"content").hexdigest()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of the cache folder, which does not exist yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv(CACHE, str(folder))
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    return path


def test_a_file_is_read_once_whichever_process_asks(
    cache: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert file_digest(file) == DIGEST
    identity._digest_once.cache_clear()  # simulates another process
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("read again"))
    assert file_digest(file) == DIGEST


@pytest.mark.parametrize("damaged", [b"", DIGEST[:20].encode(), b"\xff" * 64])
def test_a_damaged_entry_of_the_cache_is_not_believed(
    cache: Path, file: Path, damaged: bytes
) -> None:
    assert file_digest(file) == DIGEST
    (entry,) = (path for path in cache.rglob("*") if path.is_file())
    entry.write_bytes(damaged)
    identity._digest_once.cache_clear()
    assert file_digest(file) == DIGEST
    assert entry.read_text().strip() == DIGEST


def test_without_a_cache_folder_it_is_read_each_time(cache: Path, file: Path) -> None:
    cache.touch()
    assert file_digest(file) == DIGEST


def test_what_is_no_file_is_missing_and_what_cannot_be_read_is_told(
    cache: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert file_digest(file.parent) == file_digest(file / "below") == MISSING

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(hashlib, "file_digest", refuse)
    with pytest.raises(UserError, match=r"file: cannot be read: Permission denied"):
        file_digest(file)
