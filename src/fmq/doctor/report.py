"""The whole examination: what needs no settings first, then what the study needs."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from fmq.doctor.data_files import imported_findings, source_findings
from fmq.doctor.findings import Finding, failure, ok
from fmq.doctor.machine import (
    compiler_findings,
    disk_findings,
    gpu_findings,
    processor_findings,
    slurm_findings,
)
from fmq.doctor.packages import (
    optional_findings,
    package_findings,
    python_findings,
    robomimic_findings,
)
from fmq.doctor.simulators import rendering_findings, simulator_findings


def examine(files: Sequence[Path], results: Path) -> Iterator[Finding]:
    """Look at everything; whatever goes wrong on the way is a finding too.

    Args:
        files: settings, and others laid over them.
        results: folder that the study fills.
    """
    yield from _guarded("Python", python_findings)
    yield from _guarded("packages", package_findings)
    yield from _guarded("optional packages", optional_findings)
    yield from _guarded("processor", processor_findings)
    yield from _guarded("Slurm", slurm_findings)
    yield from _guarded("MuJoCo GL", rendering_findings)
    yield from _guarded("settings", partial(_study_findings, files, results))


def _study_findings(files: Sequence[Path], results: Path) -> Iterator[Finding]:
    """The settings, and unless they are wrong, what they ask for."""
    from fmq.configuration import load_study
    from fmq.errors import UserError

    names = ", ".join(map(str, files))
    try:
        study = load_study(*files)
    except UserError as error:
        remedy = (
            "config.yaml has every setting; overlays come behind it: `fmq doctor config.yaml FILE`"
        )
        yield failure("settings", str(error), remedy)
        return
    yield ok("settings", f"{names}: {len(study.tasks)} tasks, {len(study.seeds)} seeds")
    yield from _guarded("GPU", partial(gpu_findings, study))
    yield from _guarded("C++ compiler", partial(compiler_findings, study))
    yield from _guarded("extra robomimic", partial(robomimic_findings, study))
    yield from _guarded("simulators", partial(simulator_findings, study))
    yield from _guarded("disk", partial(disk_findings, study, results))
    yield from _guarded("data sets", partial(source_findings, study, results))
    yield from _guarded("imported", partial(imported_findings, study))


def _guarded(subject: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except Exception as error:  # a report that breaks off helps nobody
        found = f"cannot be looked at: {type(error).__name__}: {error}"
        remedy = "mend the failures above first; if there are none, please report this line"
        yield failure(subject, found, remedy)
