"""Fetch an official data set: a copy that is already on this machine, or a download.

A file is accepted once its content was checked. Its SHA-256 is then recorded beside it, in the
format of ``sha256sum``, and any later copy or download has to have the same.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from fmq.data import ogbench, robomimic
from fmq.data.agreement import check_against_simulator
from fmq.data.download import download
from fmq.data.manifest import SHA256, file_sha256, write_manifest
from fmq.data.sources import RemoteFile, find_source, local_copies, record_path, remote_files
from fmq.datasets import suite_of
from fmq.errors import UserError
from fmq.files import atomic_path
from fmq.tasks import TaskSettings, parse_task

Check = Callable[[Path], None]


def fetch_dataset(name: str, folder: Path, data_dir: Path | None) -> None:
    """Put every file of the data set into `folder`, and write its manifest last.

    Files are looked for in `folder`, in `data_dir` and where other tools keep them, and linked
    to; what is nowhere is downloaded.

    Args:
        data_dir: a folder with copies, under their publisher's path or their bare name.

    Raises:
        UserError: a file is neither here nor to be had, or has another content or checksum.
    """
    source = find_source(name)
    files = {}
    for index, file in enumerate(remote_files(name)):
        rows = source.rows if index == 0 else None  # the table knows the training file's
        check = _content_check(name, rows, source.demonstrations)
        files[file.name] = _fetch(file, folder, data_dir, check)
    write_manifest(
        folder,
        {
            "name": name,
            "source": f"the official data set, {source.host} {source.version}",
            "settings": {"source": "official", "version": source.version},
            "files": files,
        },
    )


def _content_check(name: str, rows: int | None, demonstrations: int | None) -> Check:
    if suite_of(name) == "ogbench":
        return partial(ogbench.check_file, name=name, rows=rows)

    task = parse_task(name, TaskSettings())

    def check(path: Path) -> None:
        robomimic.check_file(path, task, demonstrations)
        check_against_simulator(path, task)

    return check


def _fetch(file: RemoteFile, folder: Path, data_dir: Path | None, check: Check) -> dict[str, Any]:
    """One file into the folder; returns the manifest's entry."""
    path = folder / file.name
    digest = file.sha256 or _recorded(path)
    for copy in local_copies(file, folder, data_dir):
        found = _accepted(copy, digest, check)
        if found is None:
            continue
        if copy != path:
            with atomic_path(path) as temporary:
                temporary.symlink_to(copy.resolve())
        _record(path, found)
        return {"bytes": path.stat().st_size, "sha256": found, "from": str(copy)}
    fetched = download(file.addresses, path, sha256=digest, check=check)
    _record(path, fetched.sha256)
    return {"bytes": fetched.bytes, "sha256": fetched.sha256, "from": fetched.address}


def _accepted(copy: Path, digest: str | None, check: Check) -> str | None:
    """The copy's digest; None, and a line that says why, if it is not what it should be."""
    try:
        found = file_sha256(copy)
        if digest not in (None, found):
            raise UserError(f"{copy}: SHA-256 {found[:16]}… is not the recorded {digest[:16]}…")
        check(copy)
    except (UserError, OSError) as error:
        print(f"fmq: passed over: {error}", file=sys.stderr)
        return None
    return found


def _recorded(path: Path) -> str | None:
    """The digest of the first copy that was accepted."""
    try:
        digest = record_path(path).read_text(encoding="utf-8").split()[0]
        if SHA256.fullmatch(digest) is None:
            raise ValueError
        return digest
    except FileNotFoundError:
        return None
    except (OSError, ValueError, IndexError):
        raise UserError(
            f"{record_path(path)}: not a line of sha256sum; delete it to accept the next copy"
        ) from None


def _record(path: Path, digest: str) -> None:
    with atomic_path(record_path(path)) as temporary:
        temporary.write_text(f"{digest}  {path.name}\n")
