"""What was looked at, what was found, and what to do about it."""

import os
import subprocess
import sys
from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """One line of the report; whatever is not ok has a remedy."""

    mark: Literal["ok", "note", "FAIL"]
    subject: str
    found: str
    remedy: str = ""


def ok(subject: str, found: str) -> Finding:
    """Nothing to do."""
    return Finding("ok", subject, found)


def note(subject: str, found: str, remedy: str) -> Finding:
    """Worth knowing; the study runs all the same."""
    return Finding("note", subject, found, remedy)


def failure(subject: str, found: str, remedy: str) -> Finding:
    """The study cannot run before this is mended."""
    return Finding("FAIL", subject, found, remedy)


def as_text(finding: Finding) -> str:
    """The finding as a line, and its remedy as an indented one."""
    line = f"{finding.mark:<4}  {finding.subject}: {finding.found}"
    return f"{line}\n      -> {finding.remedy}" if finding.remedy else line


# The reason goes out by hand: what a half-made simulator says while it is torn down comes last.
_RUNNER = """
import os, sys
try:
    exec(sys.argv[1])
except BaseException as error:
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    print("\\n" + reason[:160], flush=True)
    os._exit(1)
os._exit(0)
"""
TOO_SLOW = "no answer in time"


def run_python(code: str, timeout: float, **variables: str) -> str | None:
    """Run code in a process of its own: None, or in a few words why it failed.

    A graphics library may end the process that tries it, or never return.

    Args:
        timeout: seconds; after them the process is ended and the answer is `TOO_SLOW`.
        variables: set in the process' environment.
    """
    command = [sys.executable, "-c", _RUNNER, code]
    try:
        process = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | variables,
            timeout=timeout,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        return TOO_SLOW
    if process.returncode < 0:
        return f"the process was ended by signal {-process.returncode}"
    if process.returncode > 0:
        return process.stdout.strip().rpartition("\n")[2] or "no reason was given"
    return None
