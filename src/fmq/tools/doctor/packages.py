"""Check Python and packages against the versions that fmq allows and was tested with."""

import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from fmq.base.places import OWN
from fmq.base.provenance import package_versions
from fmq.tools.doctor.findings import Finding, failure, note, ok

if TYPE_CHECKING:
    from fmq.config.study import Study

_BREAKS = {
    "pandas": ("3", "with pandas 3, rliable fails when it imports arch"),
    "mujoco": ("3.4", "robosuite breaks with newer MuJoCo; 3.3 is known to work"),
}
"""First incompatible version of a package, and the reason."""


def python_findings() -> Iterator[Finding]:
    """Yield a finding on the interpreter's version."""
    yield judge_python(".".join(map(str, sys.version_info[:3])), declared(OWN)[0])


def judge_python(version: str, allowed: str) -> Finding:
    """Judge an interpreter's version against `requires-python`."""
    if SpecifierSet(allowed).contains(version, prereleases=True):
        return ok("Python", version)
    remedy = "recreate the environment with an allowed version, e.g. `python3.12 -m venv .venv`"
    return failure("Python", f"{version}, allowed is {allowed}", remedy)


def package_findings(extra: str = "", source: str = "") -> Iterator[Finding]:
    """Yield a finding for every package that fmq requires or, with `extra`, that the extra adds.

    Args:
        extra: name of an extra, or "".
        source: how to install a missing package, if not by its name.
    """
    tested = pinned_versions(OWN)
    requirements = [Requirement(line) for line in declared(OWN)[1]]
    versions = package_versions(requirement.name for requirement in requirements)
    for requirement in requirements:
        if _is_of(requirement, extra):
            version = versions.get(requirement.name)
            yield judge_package(
                requirement, version, tested.get(canonical(requirement.name)), source
            )


def _is_of(requirement: Requirement, extra: str) -> bool:
    """Return whether the extra adds the requirement or, without an extra, whether fmq has it."""
    marker = requirement.marker
    if marker is None:
        return not extra
    anyway = marker.evaluate({"extra": ""})
    return marker.evaluate({"extra": extra}) and not anyway if extra else anyway


def robomimic_findings(study: "Study") -> Iterator[Finding]:
    """Yield findings on the packages of RoboMimic's extra, if the study has RoboMimic tasks."""
    from fmq.envs.robosuite import INSTALL_EXTRA

    if any(study.task(name).suite == "robomimic" for name in study.tasks):
        yield from package_findings("robomimic", INSTALL_EXTRA)


def judge_package(
    requirement: Requirement, version: str | None, tested: str | None, source: str = ""
) -> Finding:
    """Judge one package.

    Args:
        requirement: package and allowed versions.
        version: installed version; None if the package is not installed.
        tested: version that fmq was tested with; None if unknown.
        source: how to install the package if it is missing; by its name if empty.
    """
    subject = f"package {requirement.name}"
    allowed = str(requirement.specifier) or "any version"
    install = (
        f"pip install '{requirement.name}{f'=={tested}' if tested else requirement.specifier}'"
    )
    if version is None:
        return failure(subject, f"not installed, allowed is {allowed}", source or install)
    if not requirement.specifier.contains(version, prereleases=True):
        found = f"{version}, allowed is {allowed}"
        return failure(subject, found, install + _why_not(requirement.name, version))
    if tested and not SpecifierSet(f"=={tested}").contains(version, prereleases=True):
        return note(subject, f"{version}, tested with {tested}", f"if something breaks, {install}")
    return ok(subject, version)


def _why_not(name: str, version: str) -> str:
    first, reason = _BREAKS.get(canonical(name), (None, ""))
    return f" ({reason})" if first and Version(version) >= Version(first) else ""


def declared(checkout: Path) -> tuple[str, list[str]]:
    """Return the allowed Python versions and the required packages; those of extras have a marker.

    In a checkout they are read from ``pyproject.toml``, because the metadata of an editable
    installation are as old as the last `pip install`.
    """
    try:
        project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))[
            "project"
        ]
    except OSError:
        installed = metadata.metadata("fmq")
        return installed["Requires-Python"] or "", metadata.requires("fmq") or []
    extras = project["optional-dependencies"].items()
    optional = [f"{line}; extra == '{name}'" for name, lines in extras for line in lines]
    return project["requires-python"], project["dependencies"] + optional


def pinned_versions(checkout: Path) -> dict[str, str]:
    """Read the pins of ``constraints.txt``, which a wheel holds as well; empty without it."""
    try:
        lines = (checkout / "constraints.txt").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pins = [line.partition("#")[0].partition("==") for line in lines]
    return {canonical(name): version.strip() for name, _, version in pins if version}


def canonical(name: str) -> str:
    """Return a package's name in the form that pip compares."""
    return canonicalize_name(name.strip())


def optional_findings() -> Iterator[Finding]:
    """Yield findings on packages that fmq can use but does not require."""
    version = package_versions(["robosuite"]).get("robosuite", "not installed")
    yield ok("optional package robosuite", f"{version}; only RoboMimic tasks need it")
