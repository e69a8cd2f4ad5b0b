"""Run all checks: first those that need no settings, then those of the study."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from fmq.base.messages import one_line
from fmq.base.system_errors import explained
from fmq.tools.doctor.data_files import imported_findings, source_findings
from fmq.tools.doctor.findings import Finding, failure, ok
from fmq.tools.doctor.machine import (
    compiler_findings,
    disk_findings,
    git_findings,
    gpu_findings,
    home_findings,
    processor_findings,
    slurm_findings,
)
from fmq.tools.doctor.packages import (
    optional_findings,
    package_findings,
    python_findings,
    robomimic_findings,
)
from fmq.tools.doctor.simulators import rendering_findings, simulator_findings


def examine(changes: Sequence[str], results: Path) -> Iterator[Finding]:
    """Run every check and yield its findings; an exception in a check becomes a finding too.

    Args:
        changes: overlays of config.yaml, and overrides ``KEY=VALUE``.
        results: folder of the study's results.
    """
    yield from _guarded("Python", python_findings)
    yield from _guarded("packages", package_findings)
    yield from _guarded("optional packages", optional_findings)
    yield from _guarded("processor", processor_findings)
    yield from _guarded("code", git_findings)
    yield from _guarded("cache", home_findings)
    yield from _guarded("Slurm", slurm_findings)
    yield from _guarded("MuJoCo GL", rendering_findings)
    yield from _guarded("settings", partial(_study_findings, changes, results))


def _study_findings(changes: Sequence[str], results: Path) -> Iterator[Finding]:
    """Check the settings and, unless they are invalid, everything that they require."""
    from fmq.base.errors import UserError
    from fmq.config.words import study_of

    try:
        study = study_of(changes)
    except UserError as error:
        remedy = "config.yaml has every setting; `fmq doctor FILE KEY=VALUE` reads changes to it"
        yield failure("settings", str(error), remedy)
        return
    yield ok("settings", f"{study.name}: {len(study.tasks)} tasks, {len(study.seeds)} seeds")
    yield from _guarded("GPU", partial(gpu_findings, study))
    yield from _guarded("C++ compiler", partial(compiler_findings, study))
    yield from _guarded("extra robomimic", partial(robomimic_findings, study))
    yield from _guarded("simulators", partial(simulator_findings, study))
    yield from _guarded("disk", partial(disk_findings, study, results))
    yield from _guarded("data sets", partial(source_findings, study, results))
    yield from _guarded("imported", partial(imported_findings, study, results))


def _guarded(subject: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except Exception as error:  # the report must go on with the other checks
        remedy = "fix the failures above first; if there are none, please report this line"
        if known := explained(error):
            remedy = known.remedy or "do what this line says, and call `fmq doctor` again"
        found = f"cannot be checked: {known.found if known else one_line(repr(error), 300)}"
        yield failure(subject, found, remedy)
