"""GPU, processor, disk and Slurm."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fmq import paths
from fmq.doctor.findings import Finding, failure, note, ok

if TYPE_CHECKING:
    from fmq.settings import Study

_BYTES_PER_ROW = 600
"""A humanoid's; cube and scene take about 300."""


class Card(NamedTuple):
    """A GPU."""

    name: str
    bytes: int


def gpu_findings(study: "Study") -> Iterator[Finding]:
    """What torch was built for, and the GPUs it sees."""
    import torch

    numbers = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    cards = [torch.cuda.get_device_properties(number) for number in numbers]
    found = [Card(card.name, card.total_memory) for card in cards]
    yield judge_gpu(study.device, torch.__version__, torch.version.cuda, found)


def judge_gpu(device: str, version: str, cuda: str | None, cards: list[Card]) -> Finding:
    """The GPUs against the device of the settings.

    Args:
        version: of torch.
        cuda: the CUDA version that torch was built for; None for a CPU build.
    """
    if cuda:
        build, get = f"CUDA {cuda}", "see that `nvidia-smi` and CUDA_VISIBLE_DEVICES show the GPU"
    else:
        build, get = "CPU", "install a CUDA build of the same torch (https://pytorch.org)"
    seen = ", ".join(f"{card.name} with {_size(card.bytes)}" for card in cards) or "no GPU"
    found = f"torch {version}, {build} build; `device: {device}`, and torch sees {seen}"
    number = int(device.partition(":")[2] or 0)
    if device.startswith("cuda") and number >= len(cards):
        return failure(
            "GPU", found, f"set `device: auto` or another that is there; for a GPU, {get}"
        )
    if device == "auto" and not cards:
        return note(
            "GPU", found, f"it runs on the CPU, `fmq plan` tells the hours; for a GPU, {get}"
        )
    return ok("GPU", found)


def compiler_findings(study: "Study") -> Iterator[Finding]:
    """Return whether updates can be compiled, where the settings want that."""
    from fmq.training.compiling import compiler

    wanted = study.training.compile
    if wanted == "never":
        return
    if found := compiler():
        yield ok("C++ compiler", f"{found}; updates are compiled (`training.compile: {wanted}`)")
    elif wanted == "auto":
        remedy = "for updates in about half the time, install g++, or name another in CXX"
        yield note("C++ compiler", "there is none that works, updates run uncompiled", remedy)
    else:
        remedy = "install g++, name another in CXX, or set `training.compile: never`"
        yield failure("C++ compiler", f"there is none, and `training.compile: {wanted}`", remedy)


def processor_findings() -> Iterator[Finding]:
    """Cores that this process may use, and memory."""
    affinity = hasattr(os, "sched_getaffinity")  # a cluster gives a job fewer than the machine has
    cores = len(os.sched_getaffinity(0)) if affinity else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    yield ok("processor", f"{cores} cores, {_size(memory)} memory")


def disk_findings(study: "Study", results: Path) -> Iterator[Finding]:
    """Room for the data sets in the results folder, and whether it can be written."""
    folder = next(
        place for place in (results.absolute(), *results.absolute().parents) if place.exists()
    )
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        remedy = "change its permissions, or take another folder with --results"
        yield failure("results folder", f"{folder}: cannot be written: {error.strerror}", remedy)
        return
    yield ok("results folder", f"{results} can be written")
    yield judge_disk(shutil.disk_usage(folder).free, bytes_to_come(study, results))


def judge_disk(free: int, needed: int) -> Finding:
    """Free space against what the data sets will take."""
    found = f"{_size(free)} free, data sets to come take about {_size(needed)}"
    if free < needed:
        return failure("disk", found, "make room, or take a folder on another disk with --results")
    return ok("disk", found)


def bytes_to_come(study: "Study", results: Path) -> int:
    """Estimated size of the data sets that are not on this machine yet."""
    from fmq.datasets import expected_rows

    return sum(
        # The validation file has a tenth as many rows.
        round(1.1 * _BYTES_PER_ROW * expected_rows(name, study.datasets[name]))
        for name in study.dataset_names()
        if not _is_here(study, name, results)
    )


def _is_here(study: "Study", name: str, results: Path) -> bool:
    """Whether the data set is in the results folder, or files would be linked to."""
    from fmq.data.sources import local_copies, remote_files

    folder = paths.dataset_folder(results, name)
    if (folder / "manifest.json").exists():
        return True
    source = study.datasets[name].source
    if source != "official":
        return source == "file"
    data_dir = Path(study.data_dir).expanduser() if study.data_dir else None
    return all(local_copies(file, folder, data_dir) for file in remote_files(name))


def slurm_findings() -> Iterator[Finding]:
    """What `snakemake --profile slurm` needs."""
    missing = [] if shutil.which("sbatch") else ["the command sbatch"]
    if find_spec("snakemake_executor_plugin_slurm") is None:
        missing.append("the package snakemake-executor-plugin-slurm")
    if missing:
        remedy = "only `snakemake --profile slurm` needs it: run that on a cluster's login node"
        yield note("Slurm", f"without {' and '.join(missing)}", remedy)
    else:
        yield ok("Slurm", "sbatch and its Snakemake plugin are there")


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
