"""Check GPU, compiler, processor, code, cache, disk and Slurm."""

import shutil
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

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


class Card(NamedTuple):
    """A GPU, with its memory in bytes."""

    name: str
    bytes: int


def gpu_findings(study: "Study") -> Iterator[Finding]:
    """Yield a finding on the build of torch and the GPUs that it sees."""
    import torch

    numbers = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    cards = [torch.cuda.get_device_properties(number) for number in numbers]
    found = [Card(card.name, card.total_memory) for card in cards]
    yield judge_gpu(study.device, torch.__version__, torch.version.cuda, found)


def judge_gpu(device: str, version: str, cuda: str | None, cards: list[Card]) -> Finding:
    """Judge the GPUs against the device of the settings.

    Args:
        device: the setting of this name.
        version: version of torch.
        cuda: CUDA version that torch was built for; None for a CPU build.
        cards: GPUs that torch sees.
    """
    if cuda:
        build, get = f"CUDA {cuda}", "check that `nvidia-smi` and CUDA_VISIBLE_DEVICES show it"
    else:
        build, get = "CPU", "install a CUDA build of the same torch (https://pytorch.org)"
    seen = ", ".join(f"{card.name} with {_size(card.bytes)}" for card in cards) or "no GPU"
    found = f"torch {version}, {build} build; `device: {device}`, and torch sees {seen}"
    number = int(device.partition(":")[2] or 0)
    if device.startswith("cuda") and number >= len(cards):
        return failure(
            "GPU", found, f"set `device: auto` or a device that exists; to use a GPU, {get}"
        )
    if device == "auto" and not cards:
        return note(
            "GPU",
            found,
            f"the study runs on the CPU, and `fmq plan` estimates the hours; to use a GPU, {get}",
        )
    return ok("GPU", found)


def compiler_findings(study: "Study") -> Iterator[Finding]:
    """Yield a finding on the C++ compiler, unless the settings never compile updates."""
    from fmq.training.compiling import PLAIN, compiler

    wanted = study.training.compile
    if wanted == "never":
        return
    if found := compiler():
        yield ok("C++ compiler", f"{found}; updates are compiled (`training.compile: {wanted}`)")
    elif wanted == "auto":
        remedy = (
            f"to halve the time of updates, install g++, or name another compiler in CXX; {PLAIN}"
        )
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
