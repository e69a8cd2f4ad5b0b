"""Read `sources.yaml`: addresses, mirrors, versions, checksums of data sets and policies."""

from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import yaml
from pydantic import Field

from fmq.base.errors import UserError
from fmq.base.files import in_home
from fmq.config.section import Section

TABLE = Path(__file__).with_name("sources.yaml")


class Host(Section):
    """A host that serves files; a file's path is appended to each address and folder."""

    format: Literal["npz", "hdf5", "pkl"]
    addresses: list[str] = Field(min_length=1, description="base addresses, the primary one first")
    copies: list[str] = Field(description="folders in which other tools keep the same files")


class Source(Section):
    """The entry of one data set."""

    host: str
    version: str
    path: str | None = Field(None, description="path of its only file; null for OGBench's two")
    rows: int | None = Field(None, description="number of states in the training file")
    demonstrations: int | None = Field(None, description="number of demonstrations in an HDF5 file")
    sha256: dict[str, str] = Field({}, description="published digests, by file name")


class Release(Section):
    """The entry of policies that others trained: a file for each task and seed."""

    host: str
    version: str
    bytes: int | None = Field(None, description="about the size of each file")
    seeds: list[int] = Field(min_length=1)
    file: str = Field(description="file name, with {seed} or {seed:03d} as placeholder")
    folders: dict[str, str] = Field(description="folder of each task's files")
    sha256: dict[str, str] = Field({}, description="published digests, by path")


class _Table(Section):
    hosts: dict[str, Host]
    datasets: dict[str, Source]
    policies: dict[str, Release]


class RemoteFile(NamedTuple):
    """A published file.

    Attributes:
        name: file name in the folder of the data set or the policy.
        path: path below the host's addresses and folders.
        addresses: URLs, the primary one first.
        copies: paths where other tools may keep the file.
        sha256: published digest, if any.
    """

    name: str
    path: str
    addresses: tuple[str, ...]
    copies: tuple[Path, ...]
    sha256: str | None


@cache
def _table() -> _Table:
    return _Table.model_validate(yaml.safe_load(TABLE.read_text(encoding="utf-8")))


def find_source(dataset: str) -> Source:
    """Return the data set's entry in the table; `UserError` if there is none."""
    table = _table().datasets
    if dataset not in table:
        raise UserError(
            f"datasets: no official source is known for {dataset!r}; allowed: {', '.join(table)}"
        )
    return table[dataset]


def remote_files(dataset: str) -> list[RemoteFile]:
    """Return all files of a data set, the training file first; `UserError` without an entry."""
    source = find_source(dataset)
    if source.path is None:
        paths = {name: name for name in (f"{dataset}.npz", f"{dataset}-val.npz")}
    else:
        paths = {f"{dataset}.{_table().hosts[source.host].format}": source.path}
    return [
        _remote_file(source.host, name, path, source.sha256.get(name))
        for name, path in paths.items()
    ]


def find_release(name: str) -> Release:
    """Return the entry of published policies in the table; `UserError` if there is none."""
    table = _table().policies
    if name not in table:
        raise UserError(f"no published policies {name!r} are known; allowed: {', '.join(table)}")
    return table[name]


def remote_policy(name: str, task: str, seed: int) -> RemoteFile:
    """Return the published policy of a task and seed; `UserError` if there is none.

    Files of different tasks have the same name, so here the name begins with the folder's.
    """
    release = find_release(name)
    if task not in release.folders or seed not in release.seeds:
        seeds = ", ".join(map(str, release.seeds))
        raise UserError(
            f"{name} has no policy of {task} with seed {seed}; it has those of the tasks "
            f"{', '.join(release.folders)} with the seeds {seeds}"
        )
    folder, file = release.folders[task], release.file.format(seed=seed)
    path = f"{folder}/{file}"
    return _remote_file(release.host, f"{folder}-{file}", path, release.sha256.get(path))


def _remote_file(host_name: str, name: str, path: str, sha256: str | None) -> RemoteFile:
    host = _table().hosts[host_name]
    return RemoteFile(
        name,
        path,
        tuple(address + path for address in host.addresses),
        tuple(folder / path for folder in _known(host.copies)),
        sha256,
    )


def _known(folders: list[str]) -> Iterator[Path]:
    """Yield the folders that exist for this user: without a home folder, those below it do not."""
    for folder in folders:
        with suppress(UserError):
            yield in_home(folder)


def local_copies(file: RemoteFile, folder: Path, data_dir: Path | None) -> list[Path]:
    """Return candidates for the file on this machine, in the order in which to try them.

    Args:
        file: the file to look for.
        folder: the folder of the data set or the policy; its file counts only if it was accepted
            as official before, because it may have been generated.
        data_dir: a folder with copies, under the publisher's path or the bare file name.
    """
    own = folder / file.name
    accepted = [own] if record_path(own).exists() else []
    given = [data_dir / file.path, data_dir / file.name] if data_dir else []
    return [place for place in (*accepted, *given, *file.copies) if place.is_file()]


def record_path(path: Path) -> Path:
    """Return the path beside an accepted official file that records its SHA-256."""
    return path.with_name(f"{path.name}.sha256")
