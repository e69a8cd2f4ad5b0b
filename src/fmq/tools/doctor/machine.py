"""Check GPU, compiler, processor, code, cache, disk and Slurm."""

import shutil
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from fmq.acting.gpus import Machine, look, obstacle
from fmq.base.errors import UserError
from fmq.base.files import CACHE, cache_folder
from fmq.base.machine import cores, memory, quota
from fmq.base.provenance import code_commit
from fmq.tools.doctor.data_files import missing_policies, official_files
from fmq.tools.doctor.findings import Finding, failure, note, ok

if TYPE_CHECKING:
    from fmq.config.study import Study

_BYTES_PER_ROW = 600
"""Size of a row of the largest data, humanoid's; cube and scene take about 300."""


def gpu_findings(study: "Study") -> Iterator[Finding]:
    """Yield findings on the build of torch, the driver, and the GPUs that torch sees."""
    yield from judge_gpu(study.device, look(), study.wants_gpu)


def judge_gpu(device: str, here: Machine, wanted: bool = True) -> list[Finding]:
    """Judge the build of torch, the driver and the GPUs against the device of the settings.

    Args:
        device: the setting of this name.
        here: what there is.
        wanted: whether the study is to use a GPU.
    """
    kind, _, digits = device.partition(":")
    build = f"CUDA {here.cuda}" if here.cuda else "CPU"
    cards = [f"{card.name} with {_size(card.bytes)}" for card in here.cards]
    parts = {
        "torch": f"{here.version}, {build} build",
        "GPU driver": here.driver or "none",
        "GPU": f"`device: {device}`, and torch sees {', '.join(cards) or 'none'}",
    }
    fault = obstacle(here, int(digits) if digits else None)
    if not wanted:
        parts["GPU"] += "; the study runs on the CPU"
    if not wanted or fault is None:
        return [ok(subject, found) for subject, found in parts.items()]
    use = f"to use a GPU, {fault.remedy}"
    if kind == "auto":
        bad = note("", "", f"the study runs on the CPU, and `fmq plan` estimates the hours; {use}")
    else:
        bad = failure("", "", f"set `device: auto` or a device that exists; {use}")
    return [
        bad._replace(subject=subject, found=f"{found}; {fault.reason}")
        if subject == fault.part
        else ok(subject, found)
        for subject, found in parts.items()
    ]


def compiler_findings(study: "Study") -> Iterator[Finding]:
    """Yield a finding on the C++ compiler, unless the settings never compile updates."""
    from fmq.training.compiling import PLAIN, compiler

    wanted = study.training.compile
    if wanted == "never":
        return
    if found := compiler():
        where = " on a CPU" if wanted == "auto" else ""
        told = f"{found}; updates{where} are compiled (`training.compile: {wanted}`)"
        yield ok("C++ compiler", told)
    elif wanted == "auto":
        gain = "to halve the time of updates on a CPU"
        remedy = f"{gain}, install g++, or name another compiler in CXX; {PLAIN}"
        yield note("C++ compiler", "none works, so updates run uncompiled", remedy)
    else:
        remedy = "install g++, name another compiler in CXX, or set `training.compile: never`"
        yield failure("C++ compiler", f"none works, but `training.compile: {wanted}`", remedy)


def processor_findings() -> Iterator[Finding]:
    """Yield a finding with the cores that this process may use, and the memory."""
    yield judge_processor(cores(), quota(), memory())


def judge_processor(cores: int, quota: float | None, memory: int) -> Finding:
    """Judge the cores against the quota of a container, which programs that count cores ignore.

    Args:
        cores: number of cores that this process may run on.
        quota: cores' worth of time that it may use; None if unlimited.
        memory: bytes that it may use.
    """
    found = f"{cores} cores, {_size(memory)} memory"
    if quota is None or quota >= cores:
        return ok("processor", found)
    wanted = max(1, int(quota))
    remedy = f"jobs would take each other's time: `snakemake --cores {wanted}`, and not `all`"
    return note("processor", f"{found}; but a quota of {quota:g} cores' worth of time", remedy)


def git_findings() -> Iterator[Finding]:
    """Yield a finding on whether results can name the commit of the code that makes them."""
    commit = code_commit()
    if "unknown" not in commit:
        changed = ", with uncommitted changes" if commit["dirty"] else ""
        yield ok("code", f"commit {commit['sha1'][:12]}{changed}")
        return
    remedy = "results will say so instead of naming a commit; install git and use a clone"
    yield note("code", f"the commit is not known: {commit['unknown']}", remedy)


def home_findings() -> Iterator[Finding]:
    """Yield a finding on the user's home and cache folders."""
    try:
        folder = cache_folder("updates")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            yield ok("cache", str(folder))
    except (OSError, UserError) as error:
        found = f"compiled updates cannot be kept: {error}"
        remedy = (
            "each run compiles its own, and without a home folder Snakemake does not start; set "
            f"HOME to a folder that can be written, or name one in {CACHE}"
        )
        yield note("cache", found, remedy)


def disk_findings(study: "Study", results: Path) -> Iterator[Finding]:
    """Yield findings on whether the results folder is writable and has room for the files."""
    folder = next(
        place for place in (results.absolute(), *results.absolute().parents) if place.exists()
    )
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        remedy = "change its permissions, or choose another folder with --results"
        yield failure("results folder", f"{folder}: cannot be written: {error.strerror}", remedy)
        return
    yield ok("results folder", f"{results} can be written")
    yield judge_disk(shutil.disk_usage(folder).free, bytes_to_come(study, results))


def judge_disk(free: int, needed: int) -> Finding:
    """Judge the free space against the size of the files to come, both in bytes."""
    found = f"{_size(free)} free, files still to come take about {_size(needed)}"
    if free < needed:
        return failure(
            "disk", found, "free some space, or choose a folder on another disk with --results"
        )
    return ok("disk", found)


def bytes_to_come(study: "Study", results: Path) -> int:
    """Estimate the bytes of the data sets and policies that are not on this machine yet."""
    from fmq.config.datasets import expected_rows
    from fmq.config.sources import find_release

    sources = {row.source for row in study.compared_imports.values() if row.source}
    policies = sum(
        len(missing_policies(study, source, results)) * (find_release(source).bytes or 0)
        for source in sources
    )
    return policies + sum(
        # The validation file has a tenth as many rows.
        round(1.1 * _BYTES_PER_ROW * expected_rows(name, study.datasets[name]))
        for name in study.dataset_names()
        if not _is_here(study, name, results)
    )


def _is_here(study: "Study", name: str, results: Path) -> bool:
    """Return whether the data set is in the results folder, or would only be linked there."""
    from fmq.pipeline.parts import dataset_part

    if dataset_part(study, name, results).outputs[0].exists():
        return True
    source = study.datasets[name].source
    if source != "official":
        return source in ("file", "none")
    return all(official_files(study, name, results).values())


def slurm_findings() -> Iterator[Finding]:
    """Yield a finding on what `snakemake --profile slurm` needs."""
    missing = [] if shutil.which("sbatch") else ["the command sbatch"]
    if find_spec("snakemake_executor_plugin_slurm") is None:
        missing.append("the package snakemake-executor-plugin-slurm")
    if missing:
        remedy = "only `snakemake --profile slurm` needs it: run that on a cluster's login node"
        yield note("Slurm", f"missing {' and '.join(missing)}", remedy)
    else:
        yield ok("Slurm", "sbatch and Snakemake's plugin for Slurm are installed")


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
