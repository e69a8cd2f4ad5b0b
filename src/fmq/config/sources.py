"""Read the table of official data sets, `sources.yaml`: addresses, mirrors, versions, checksums."""

from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import yaml
from pydantic import Field

from fmq.base.errors import UserError
from fmq.config.section import Section

TABLE = Path(__file__).with_name("sources.yaml")


class Host(Section):
    """A host that serves data sets; a file's path is appended to each address and folder."""

    format: Literal["npz", "hdf5"]
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


class _Table(Section):
    hosts: dict[str, Host]
    datasets: dict[str, Source]


class RemoteFile(NamedTuple):
    """A file of a data set.

    Attributes:
        name: file name in the data set's folder.
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
    return _Table.model_validate(yaml.safe_load(TABLE.read_text()))


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
    host = _table().hosts[source.host]
    if source.path is None:
        paths = {name: name for name in (f"{dataset}.npz", f"{dataset}-val.npz")}
    else:
        paths = {f"{dataset}.{host.format}": source.path}
    return [
        RemoteFile(
            name,
            path,
            tuple(address + path for address in host.addresses),
            tuple(Path(folder).expanduser() / path for folder in host.copies),
            source.sha256.get(name),
        )
        for name, path in paths.items()
    ]


def local_copies(file: RemoteFile, folder: Path, data_dir: Path | None) -> list[Path]:
    """Return candidates for the file on this machine, in the order in which to try them.

    Args:
        file: the file to look for.
        folder: the data set's folder; its file counts only if it was accepted as official before,
            because it may have been generated.
        data_dir: a folder with copies, under the publisher's path or the bare file name.
    """
    own = folder / file.name
    accepted = [own] if record_path(own).exists() else []
    given = [data_dir / file.path, data_dir / file.name] if data_dir else []
    return [place for place in (*accepted, *given, *file.copies) if place.is_file()]


def record_path(path: Path) -> Path:
    """Return the path beside an accepted official file that records its SHA-256."""
    return path.with_name(f"{path.name}.sha256")
