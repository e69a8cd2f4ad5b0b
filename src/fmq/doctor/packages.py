"""Python and packages, against what fmq allows and what it was tested with."""

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

from fmq.doctor.findings import Finding, failure, note, ok
from fmq.provenance import package_versions

if TYPE_CHECKING:
    from fmq.settings import Study

CHECKOUT = Path(__file__).parents[3]
"""Top folder of the repository, if the package runs from it."""

_BREAKS = {
    "pandas": ("3", "beside pandas 3, rliable fails while it imports arch"),
    "mujoco": ("3.4", "robosuite breaks with newer MuJoCo; 3.3 is known to work"),
}
"""The first version of a package that does not fit, and why."""


def python_findings() -> Iterator[Finding]:
    """The interpreter's version."""
    yield judge_python(".".join(map(str, sys.version_info[:3])), declared(CHECKOUT)[0])


def judge_python(version: str, allowed: str) -> Finding:
    """An interpreter's version against `requires-python`."""
    if SpecifierSet(allowed).contains(version, prereleases=True):
        return ok("Python", version)
    remedy = "make the environment anew with an allowed one, e.g. `python3.12 -m venv .venv`"
    return failure("Python", f"{version}, allowed is {allowed}", remedy)


def package_findings(extra: str = "", source: str = "") -> Iterator[Finding]:
    """Every package that fmq itself asks for or, with `extra`, that the extra adds."""
    tested = pinned_versions(CHECKOUT)
    requirements = [Requirement(line) for line in declared(CHECKOUT)[1]]
    versions = package_versions(requirement.name for requirement in requirements)
    for requirement in requirements:
        if _is_of(requirement, extra):
            version = versions.get(requirement.name)
            yield judge_package(
                requirement, version, tested.get(canonical(requirement.name)), source
            )


def _is_of(requirement: Requirement, extra: str) -> bool:
    """Whether it is asked for because of the extra; without one, whether it is asked for anyway."""
    marker = requirement.marker
    if marker is None:
        return not extra
    anyway = marker.evaluate({"extra": ""})
    return marker.evaluate({"extra": extra}) and not anyway if extra else anyway


def robomimic_findings(study: "Study") -> Iterator[Finding]:
    """The packages of the extra that RoboMimic's tasks need, if the study has such tasks."""
    from fmq.envs.robosuite import INSTALL_EXTRA

    if any(study.task(name).suite == "robomimic" for name in study.tasks):
        yield from package_findings("robomimic", INSTALL_EXTRA)


def judge_package(
    requirement: Requirement, version: str | None, tested: str | None, source: str = ""
) -> Finding:
    """One package.

    Args:
        requirement: the versions that are allowed.
        version: what is installed; None if nothing is.
        tested: the version that fmq was tested with; None if that is not known.
        source: how one that is missing is installed, if not by itself.
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
    """Allowed Python versions and required packages; those of extras have a marker.

    In a checkout they are those of ``pyproject.toml``: what pip knows of an editable installation
    is as old as the last `pip install`.
    """
    try:
        project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    except OSError:
        installed = metadata.metadata("fmq")
        return installed["Requires-Python"] or "", metadata.requires("fmq") or []
    extras = project["optional-dependencies"].items()
    optional = [f"{line}; extra == '{name}'" for name, lines in extras for line in lines]
    return project["requires-python"], project["dependencies"] + optional


def pinned_versions(checkout: Path) -> dict[str, str]:
    """The pins of ``constraints.txt``; empty outside a checkout."""
    try:
        lines = (checkout / "constraints.txt").read_text().splitlines()
    except OSError:
        return {}
    pins = [line.partition("#")[0].partition("==") for line in lines]
    return {canonical(name): version.strip() for name, _, version in pins if version}


def canonical(name: str) -> str:
    """A package's name as pip compares it."""
    return canonicalize_name(name.strip())


def optional_findings() -> Iterator[Finding]:
    """Packages that fmq knows of and does without."""
    version = package_versions(["robosuite"]).get("robosuite", "not installed")
    yield ok("optional package robosuite", f"{version}; only RoboMimic's tasks need it")
