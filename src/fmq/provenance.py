"""Which code made something: the commit and the versions of packages."""

import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Installed version of each package; one that is not installed is left out."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def code_commit() -> dict[str, Any] | None:
    """Commit that this package runs from: ``sha1``, and whether tracked files differ from it.

    None without git, or where the package is installed from elsewhere: inside somebody else's
    checkout it is not part of that checkout.
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
    """Output of a git command; None without git, a checkout, or success."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
