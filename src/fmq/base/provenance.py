"""Provenance: the commit of the code and the versions of packages."""

import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fmq.base.messages import one_line
from fmq.base.places import CHECKOUT, PACKAGED


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the installed version of each package; packages not installed are left out."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def code_commit() -> dict[str, Any]:
    """Return the commit that this package runs from, or why it is not known.

    Returns:
        ``sha1``, and ``dirty``: whether tracked files differ from the commit. Or ``unknown``, the
        reason: git is not there or refuses, or the package runs from no checkout. A package that is
        installed inside an unrelated checkout is not part of that one.
    """
    if PACKAGED.is_dir():
        return {"unknown": "the package was installed from a wheel, which names no commit"}
    source = str(Path(__file__).resolve().relative_to(CHECKOUT.resolve()))
    try:
        if not _git("ls-files", "--", source):
            raise _Untold("the package is not part of a git checkout")
        commit = _git("rev-parse", "HEAD")
        changes = _git("status", "--porcelain", "--untracked-files=no", ":/")
    except _Untold as reason:
        return {"unknown": str(reason)}
    return {"sha1": commit, "dirty": bool(changes)}


class _Untold(Exception):
    """Git has not told what it was asked; the message is the reason."""


def _git(*arguments: str) -> str:
    """Return the output of a git command in the checkout.

    Git refuses the checkouts of other users, whose hooks it would run. The code of this one is
    running already, so it is declared safe.

    Raises:
        _Untold: git is not there, or fails.
    """
    command = ["git", "-c", f"safe.directory={CHECKOUT.resolve()}", "-C", str(CHECKOUT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    except OSError as error:
        raise _Untold(f"git cannot be run: {error.strerror}") from None
    if done.returncode:
        told = done.stderr.strip().partition("\n")[0] or f"exit code {done.returncode}"
        raise _Untold(one_line(f"git {arguments[0]}: {told}", 200))
    return done.stdout.strip()
