"""The table of official data sets, `sources.yaml`: addresses, mirrors, versions, checksums."""

from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import yaml
from pydantic import Field

from fmq.errors import UserError
from fmq.section import Section

TABLE = Path(__file__).with_name("sources.yaml")


class Host(Section):
    """Who serves data sets; a file's path is put behind each address and folder."""

    format: Literal["npz", "hdf5"]
    addresses: list[str] = Field(min_length=1, description="the primary one first")
    copies: list[str] = Field(description="folders where other tools keep the files")


class Source(Section):
    """One data set."""

    host: str
    version: str
    path: str | None = Field(None, description="of its only file; null for OGBench's two")
    rows: int | None = Field(None, description="states in the training file")
    demonstrations: int | None = Field(None, description="in an HDF5 file")
    sha256: dict[str, str] = Field({}, description="digests by file name, where published")


class _Table(Section):
    hosts: dict[str, Host]
    datasets: dict[str, Source]


class RemoteFile(NamedTuple):
    """A file of a data set: its name in the data set's folder, and where else it may be."""

    name: str
    path: str
    addresses: tuple[str, ...]
    copies: tuple[Path, ...]
    sha256: str | None


@cache
def _table() -> _Table:
    return _Table.model_validate(yaml.safe_load(TABLE.read_text()))


def find_source(dataset: str) -> Source:
    """The table's entry; `UserError` if it has none."""
    table = _table().datasets
    if dataset not in table:
        raise UserError(
            f"datasets: no official source is known for {dataset!r}; allowed: {', '.join(table)}"
        )
    return table[dataset]


def remote_files(dataset: str) -> list[RemoteFile]:
    """Every file of a data set, the training file first; `UserError` without an entry."""
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
    """Files that may be it and are already on this machine, in the order in which they are tried.

    Args:
        folder: of the data set; its own file counts if it was accepted as official before, for a
            generator may have made it.
        data_dir: a folder with copies, under their publisher's path or their bare name.
    """
    own = folder / file.name
    accepted = [own] if record_path(own).exists() else []
    given = [data_dir / file.path, data_dir / file.name] if data_dir else []
    return [place for place in (*accepted, *given, *file.copies) if place.is_file()]


def record_path(path: Path) -> Path:
    """Where the SHA-256 of an accepted official file is kept: beside it."""
    return path.with_name(f"{path.name}.sha256")
