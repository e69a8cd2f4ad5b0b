"""Represent findings: what was checked, what was found, and what to do about it."""

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """A line of the report; every finding that is not ok has a remedy."""

    mark: Literal["ok", "note", "FAIL"]
    subject: str
    found: str
    remedy: str = ""


def ok(subject: str, found: str) -> Finding:
    """Return a finding that needs no action."""
    return Finding("ok", subject, found)


def note(subject: str, found: str, remedy: str) -> Finding:
    """Return a finding that is worth knowing, but does not keep the study from running."""
    return Finding("note", subject, found, remedy)


def failure(subject: str, found: str, remedy: str) -> Finding:
    """Return a finding that must be fixed before the study can run."""
    return Finding("FAIL", subject, found, remedy)


def as_text(finding: Finding) -> str:
    """Format the finding as a line, followed by its remedy as an indented line."""
    line = f"{finding.mark:<4}  {finding.subject}: {finding.found}"
    return f"{line}\n      -> {finding.remedy}" if finding.remedy else line
