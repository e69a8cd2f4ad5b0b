"""Fetch official data sets and published policies: use a copy on this machine, or download it.

A file is accepted after its content was checked. Its SHA-256 is then recorded beside it, in the
format of ``sha256sum``, and any later copy or download must have the same digest.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from fmq.base.errors import UserError
from fmq.base.files import atomic_path, file_sha256
from fmq.base.messages import notice
from fmq.config.datasets import suite_of
from fmq.config.sources import RemoteFile, find_source, local_copies, record_path, remote_files
from fmq.config.tasks import TaskSettings, parse_task
from fmq.data import ogbench, robomimic
from fmq.data.agreement import check_against_simulator, compare_with_kept
from fmq.data.download import download
from fmq.data.manifest import SHA256, write_manifest

Check = Callable[[Path], None]


def fetch_dataset(name: str, folder: Path, data_dir: Path | None) -> None:
    """Put every file of the data set into `folder`, and write its manifest last.

    Files found in `folder`, in `data_dir` or where other tools keep them are linked; the others
    are downloaded.

    Args:
        name: the name of the data set.
        folder: the data set's folder.
        data_dir: a folder with copies, under their publisher's path or their bare name.

    Raises:
        UserError: a file can be neither found nor downloaded, or its content or checksum is wrong.
    """
    source = find_source(name)
    files = {}
    for index, file in enumerate(remote_files(name)):
        rows = source.rows if index == 0 else None  # known for the training file only
        check = _content_check(name, rows, source.demonstrations)
        files[file.name] = fetch_file(file, folder, data_dir, check)
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
        compare_with_kept(path, task)

    return check


def fetch_file(
    file: RemoteFile, folder: Path, data_dir: Path | None, check: Check
) -> dict[str, Any]:
    """Link or download a published file into a folder, and record its checksum beside it.

    Args:
        file: the file.
        folder: the folder; created if needed.
        data_dir: a folder with copies, under their publisher's path or their bare name.
        check: checks the content of a file, whatever its name; raises `UserError` if it is wrong.

    Returns:
        its entry in a manifest: ``bytes``, ``sha256``, and ``from``, a path or an address.

    Raises:
        UserError: it can be neither found nor downloaded, or its content or checksum is wrong.
    """
    path = folder / file.name
    digest = file.sha256 or _recorded(path)
    for copy in local_copies(file, folder, data_dir):
        found = _accepted(copy, digest, check)
        if found is None:
            continue
        if copy.resolve() != path.resolve():  # or it would become a link to itself
            with atomic_path(path) as temporary:
                temporary.symlink_to(copy.resolve())
        _record(path, found)
        return {"bytes": path.stat().st_size, "sha256": found, "from": str(copy)}
    fetched = download(file.addresses, path, sha256=digest, check=check)
    _record(path, fetched.sha256)
    return {"bytes": fetched.bytes, "sha256": fetched.sha256, "from": fetched.address}


def _accepted(copy: Path, digest: str | None, check: Check) -> str | None:
    """Return the copy's digest; if it is not acceptable, print why and return None."""
    try:
        found = file_sha256(copy)
        if digest not in (None, found):
            raise UserError(f"{copy}: SHA-256 {found[:16]}… is not the recorded {digest[:16]}…")
        check(copy)
    except (UserError, OSError) as error:
        notice(f"passed over: {error}")
        return None
    return found


def _recorded(path: Path) -> str | None:
    """Return the digest of the first accepted copy, or None if none was recorded."""
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
        temporary.write_text(f"{digest}  {path.name}\n", encoding="utf-8")
