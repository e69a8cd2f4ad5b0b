"""Shorten the names of tasks for tables, figures and messages."""

import re
from collections import Counter
from collections.abc import Sequence


def short_task_names(tasks: Sequence[str]) -> dict[str, str]:
    """Map task names to short ones.

    For example, `pointmaze-medium-navigate-singletask-task2-v0` becomes `pointmaze-medium task2`.
    The word for the data set (navigate, play, ...) stays where two tasks differ in nothing else,
    and so does the rest of the name.
    """
    longer = {name: _without_suffix(name) for name in tasks}
    shorter = {name: _without_data(name, text) for name, text in longer.items()}
    forms = [shorter, longer, {name: name for name in tasks}]
    uses = [Counter(form.values()) for form in forms]
    short = {
        name: next(
            form[name] for form, used in zip(forms, uses, strict=True) if used[form[name]] == 1
        )
        for name in tasks
    }
    return short if len(set(short.values())) == len(short) else forms[-1]


def _without_data(name: str, text: str) -> str:
    """Remove the word for the data set from `text`, where the task's name has one."""
    has_one = "-singletask" in name or name.endswith("-mh-low_dim")
    return re.sub(r"-[a-z]+(?= |$)", "", text, count=1) if has_one else text


def _without_suffix(name: str) -> str:
    """Return `pointmaze-medium-navigate task2` or `can-mh`; a default task has no number."""
    plain = name.removesuffix("-v0").removesuffix("-low_dim")
    family, _, number = plain.partition("-singletask")
    return f"{family} {number.removeprefix('-')}".strip()
