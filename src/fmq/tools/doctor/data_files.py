"""Check that data sets exist or can be downloaded, and that imported methods have their files."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from fmq.tools.doctor.findings import Finding, failure, note, ok

if TYPE_CHECKING:
    from fmq.config.sources import RemoteFile
    from fmq.config.study import Study

_SECONDS = 5.0
_THREADS = 16


def source_findings(study: "Study", results: Path) -> Iterator[Finding]:
    """Yield a finding for every data set that is made here, and for every file of the others."""
    from fmq.config.datasets import FileData, NoData, is_generated

    missing: list[RemoteFile] = []
    for name in study.dataset_names():
        settings = study.datasets[name]
        if isinstance(settings, NoData):
            yield ok(f"data set {name}", "not needed (none)")
            continue
        if is_generated(settings):
            yield ok(f"data set {name}", f"made on this machine ({settings.source})")
            continue
        if isinstance(settings, FileData):
            yield judge_own_file(name, settings.path, settings.file)
            continue
        for file, copies in official_files(study, name, results).items():
            if copies:
                yield ok(f"data file {file.name}", f"is here: {copies[0]}")
            else:
                missing.append(file)
    faults = address_faults(address for file in missing for address in file.addresses)
    for file in missing:
        yield judge_missing(file, faults, study.data_dir)


def official_files(study: "Study", name: str, results: Path) -> dict["RemoteFile", list[Path]]:
    """Return the files of an official data set, each with its copies on this machine."""
    from fmq.config.sources import local_copies, remote_files
    from fmq.pipeline.paths import dataset_folder

    folder = dataset_folder(study, name, results)
    return {file: local_copies(file, folder, study.copies) for file in remote_files(name)}


def judge_own_file(name: str, path: str, file: Path) -> Finding:
    """Judge a data file that the settings name."""
    if file.is_file():
        return ok(f"data set {name}", f"is here: {file}")
    remedy = f"put it there, or name another in datasets.{name}.path"
    return failure(f"data set {name}", f"no file {path} (looked for {file.absolute()})", remedy)


def imported_findings(study: "Study", results: Path) -> Iterator[Finding]:
    """Yield a finding for the files of every method that is not trained here."""
    from fmq.config.imported import missing_files

    for name, row in study.compared_imports.items():
        subject = f"imported {name}"
        if row.source is not None:
            yield _published_finding(study, subject, row.source, results)
            continue
        missing = [path for _, path in missing_files({name: row}, study.tasks, study.seeds)]
        wanted = len(study.tasks) * len(study.seeds)
        if missing:
            remedy = f"put them there, or leave {name} out of methods"
            told = f"{len(missing)} of {wanted} files are missing, e.g. {missing[0].absolute()}"
            yield failure(subject, told, remedy)
        else:
            yield ok(subject, f"all {wanted} files are here")


def missing_policies(study: "Study", source: str, results: Path) -> list["RemoteFile"]:
    """Return the published policies of the study's tasks and seeds that are not on this machine."""
    from fmq.config.sources import local_copies, remote_policy
    from fmq.pipeline.policies import policy_folder

    missing = []
    for task, seed in product(study.tasks, study.seeds):
        file, folder = remote_policy(source, task, seed), policy_folder(source, task, seed, results)
        if not local_copies(file, folder, study.copies):
            missing.append(file)
    return missing


def _published_finding(study: "Study", subject: str, source: str, results: Path) -> Finding:
    """Judge the published policies of a method: which are here, and whether others are served."""
    missing = missing_policies(study, source, results)
    wanted = len(study.tasks) * len(study.seeds)
    if not missing:
        return ok(subject, f"all {wanted} files are here")
    faults = address_faults(address for file in missing for address in file.addresses)
    bad = [file for file in missing if all(faults[address] for address in file.addresses)]
    if bad:
        finding = judge_missing(bad[0], faults, study.data_dir)
        told = f"{len(bad)} of {wanted} files, e.g. {bad[0].path}: {finding.found}"
        return failure(subject, told, finding.remedy)
    base = missing[0].addresses[0].removesuffix(missing[0].path)
    return ok(subject, f"{len(missing)} of {wanted} files will be downloaded from {base}")


def address_faults(addresses: Iterable[str]) -> dict[str, str | None]:
    """Probe all addresses in parallel, and return what is wrong with each, or None."""
    from fmq.data.http_faults import probe

    distinct = list(dict.fromkeys(addresses))
    with ThreadPoolExecutor(_THREADS) as pool:
        found = pool.map(lambda address: probe(address, _SECONDS), distinct)
        return dict(zip(distinct, found, strict=True))


def judge_missing(
    file: "RemoteFile", faults: Mapping[str, str | None], data_dir: str | None
) -> Finding:
    """Judge a file that is not here, by what is wrong with each of its addresses.

    Args:
        file: file that is missing.
        faults: fault of each address; None where there is none.
        data_dir: the setting of this name.
    """
    subject = f"data file {file.name}"
    bases = {address: address.removesuffix(file.path) for address in file.addresses}
    bad = "; ".join(f"{bases[one]} {faults[one]}" for one in file.addresses if faults[one])
    good = next((bases[one] for one in file.addresses if not faults[one]), None)
    copy = f"put {file.name} into the settings' data_dir (now {data_dir or 'null'})"
    if good is None:
        remedy = f"{copy}, or check the network and the proxy (HTTPS_PROXY)"
        return failure(subject, f"neither on this machine nor available online ({bad})", remedy)
    if bad:
        remedy = f"nothing to do as long as one address answers; if none does, {copy}"
        return note(subject, f"will be downloaded from {good} ({bad})", remedy)
    return ok(subject, f"will be downloaded from {good}")
