"""Python and packages, against what fmq allows and what it was tested with."""

import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from fmq.doctor.findings import Finding, failure, note, ok
from fmq.provenance import package_versions

CHECKOUT = Path(__file__).parents[3]
"""Top folder of the repository, if the package runs from it."""

_BREAKS = {
    "numpy": ("2", "robosuite needs mink, and mink needs numpy 1"),
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


def package_findings() -> Iterator[Finding]:
    """Every package that fmq itself asks for."""
    tested = pinned_versions(CHECKOUT)
    requirements = [Requirement(line) for line in declared(CHECKOUT)[1]]
    versions = package_versions(requirement.name for requirement in requirements)
    for requirement in requirements:
        # An extra's packages carry a marker that is false as long as nobody asks for the extra.
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            version = versions.get(requirement.name)
            yield judge_package(requirement, version, tested.get(canonical(requirement.name)))


def judge_package(requirement: Requirement, version: str | None, tested: str | None) -> Finding:
    """One package.

    Args:
        requirement: the versions that are allowed.
        version: what is installed; None if nothing is.
        tested: the version that fmq was tested with; None if that is not known.
    """
    subject = f"package {requirement.name}"
    allowed = str(requirement.specifier) or "any version"
    install = (
        f"pip install '{requirement.name}{f'=={tested}' if tested else requirement.specifier}'"
    )
    if version is None:
        return failure(subject, f"not installed, allowed is {allowed}", install)
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
    """Allowed Python versions and required packages.

    In a checkout they are those of ``pyproject.toml``: what pip knows of an editable installation
    is as old as the last `pip install`.
    """
    try:
        project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    except OSError:
        installed = metadata.metadata("fmq")
        return installed["Requires-Python"] or "", metadata.requires("fmq") or []
    return project["requires-python"], project["dependencies"]


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
    version = package_versions(["robomimic"]).get("robomimic", "not installed")
    yield ok(
        "optional package robomimic",
        f"{version}, and nothing needs it: its HDF5 format is read with h5py, its simulators are "
        "made with robosuite; it is an oracle in the tests",
    )
