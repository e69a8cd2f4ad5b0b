"""Whether the study's data sets are here, or can be had, and the files of imported methods."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from fmq import paths
from fmq.doctor.findings import Finding, failure, note, ok

if TYPE_CHECKING:
    from fmq.data.sources import RemoteFile
    from fmq.settings import Study

_SECONDS = 5.0
_THREADS = 16


def source_findings(study: "Study", results: Path) -> Iterator[Finding]:
    """Every data set that is made here, and every file of those that are not."""
    from fmq.data.sources import local_copies, remote_files
    from fmq.datasets import FileData, is_generated

    data_dir = Path(study.data_dir).expanduser() if study.data_dir else None
    missing: list[RemoteFile] = []
    for name in study.dataset_names():
        settings = study.datasets[name]
        if is_generated(settings):
            yield ok(f"data set {name}", f"made on this machine ({settings.source})")
            continue
        if isinstance(settings, FileData):
            yield judge_own_file(name, settings.path, settings.file)
            continue
        for file in remote_files(name):
            copies = local_copies(file, paths.dataset_folder(results, name), data_dir)
            if copies:
                yield ok(f"data file {file.name}", f"is here: {copies[0]}")
            else:
                missing.append(file)
    faults = address_faults(address for file in missing for address in file.addresses)
    for file in missing:
        yield judge_missing(file, faults, study.data_dir)


def judge_own_file(name: str, path: str, file: Path) -> Finding:
    """A file of the study's own."""
    if file.is_file():
        return ok(f"data set {name}", f"is here: {file}")
    remedy = f"put it there, or name another in datasets.{name}.path"
    return failure(f"data set {name}", f"no file {path} (looked for {file.absolute()})", remedy)


def imported_findings(study: "Study") -> Iterator[Finding]:
    """The files of every method that is not trained here."""
    from fmq.imported import missing_files

    for name, row in study.compared_imports.items():
        missing = [path for _, path in missing_files({name: row}, study.tasks, study.seeds)]
        wanted = len(study.tasks) * len(study.seeds)
        subject = f"imported {name}"
        if missing:
            remedy = f"put them there, or leave {name} out of methods"
            told = f"{len(missing)} of {wanted} files are not there, e.g. {missing[0].absolute()}"
            yield failure(subject, told, remedy)
        else:
            yield ok(subject, f"all {wanted} files are here")


def address_faults(addresses: Iterable[str]) -> dict[str, str | None]:
    """What is wrong with each address, asked all at once; None where nothing is."""
    from fmq.data.http_faults import probe

    distinct = list(dict.fromkeys(addresses))
    with ThreadPoolExecutor(_THREADS) as pool:
        found = pool.map(lambda address: probe(address, _SECONDS), distinct)
        return dict(zip(distinct, found, strict=True))


def judge_missing(
    file: "RemoteFile", faults: Mapping[str, str | None], data_dir: str | None
) -> Finding:
    """A file that is not here, by what is wrong with each of its addresses."""
    subject = f"data file {file.name}"
    bases = {address: address.removesuffix(file.path) for address in file.addresses}
    bad = "; ".join(f"{bases[one]} {faults[one]}" for one in file.addresses if faults[one])
    good = next((bases[one] for one in file.addresses if not faults[one]), None)
    copy = f"put {file.name} into the settings' data_dir ({data_dir or 'now null'})"
    if good is None:
        remedy = f"{copy}, or check the network and the proxy (HTTPS_PROXY)"
        return failure(subject, f"neither here nor to be had ({bad})", remedy)
    if bad:
        remedy = f"nothing as long as one address answers; if none does, {copy}"
        return note(subject, f"will come from {good} ({bad})", remedy)
    return ok(subject, f"will come from {good}")
