"""Report everything that is wrong with the inputs of a table at once, in one line."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fmq.base.errors import UserError

UNREADABLE = "unreadable"
REPEATED = "with a repeated row"
MISPLACED = "whose rows do not match their path"
UNEQUAL = "with other steps or episodes than the settings say"
UNKNOWN = "without a record of settings and data"
OTHER_SETTINGS = "of other settings"
OTHER_DATA = "of other data"
BEYOND = "beyond the study"
MISSING = "missing"
# In the order of the message: missing files may be many, and must not crowd out the rest.
KINDS = (
    *(UNREADABLE, REPEATED, MISPLACED, UNEQUAL),
    *(UNKNOWN, OTHER_SETTINGS, OTHER_DATA, BEYOND, MISSING),
)
SHOWN = 10


class Problem(NamedTuple):
    """One problem with an input.

    Attributes:
        kind: one of `KINDS`.
        item: where the problem is and what was found there, on one line.
    """

    kind: str
    item: str


def refuse(where: Path, problems: Sequence[Problem], remedy: str, allow_missing: bool) -> None:
    """Raise a `UserError` that lists `problems`, if there are any.

    Args:
        where: the file or folder that they are in, and that their paths are shown from.
        problems: the problems found; there may be none.
        remedy: what to do about them.
        allow_missing: whether to ignore problems of the kind `MISSING`.

    Raises:
        UserError: there are problems.
    """
    if allow_missing:
        problems = [problem for problem in problems if problem.kind != MISSING]
    if not problems:
        return
    counts = Counter(problem.kind for problem in problems)
    ordered = sorted(problems, key=lambda problem: KINDS.index(problem.kind))
    told = [problem.item.removeprefix(f"{where}/") for problem in ordered[:SHOWN]]
    if len(problems) > SHOWN:
        told.append(f"and {len(problems) - SHOWN} more")
    if set(counts) == {MISSING}:
        remedy += "; `allow_missing: true` shows what exists"
    summary = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if kind in counts)
    raise UserError(f"{where}: {summary}: {'; '.join(told)}; {remedy}")
