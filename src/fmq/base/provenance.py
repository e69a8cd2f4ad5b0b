"""Provenance: the commit of the code and the versions of packages."""

import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the installed version of each package; packages not installed are left out."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def code_commit() -> dict[str, Any] | None:
    """Return the commit that this package runs from, as ``sha1`` and ``dirty``.

    ``dirty`` tells whether tracked files differ from the commit. The result is None without git,
    and when git does not track this file: a package installed inside an unrelated checkout is not
    part of that checkout.
    """
    source = Path(__file__).resolve()
    if _git(source.parent, "ls-files", "--error-unmatch", source.name) is None:
        return None
    commit = _git(source.parent, "rev-parse", "HEAD")
    if commit is None:
        return None
    changes = _git(source.parent, "status", "--porcelain", "--untracked-files=no", ":/")
    return {"sha1": commit, "dirty": bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    """Return the output of a git command; None without git or a checkout, or if it fails."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
