"""Imported methods: policies trained elsewhere, each run read from a file of flax weights.

`fmq.export.imported_runs` reads the files; this module does not import torch.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from string import Formatter

from pydantic import Field

from fmq.base.errors import UserError
from fmq.base.messages import shown
from fmq.config.methods import Method
from fmq.config.own_methods import TAKEN_LABELS, Label, OwnMethod, check_name
from fmq.config.samplers import SAMPLERS
from fmq.config.section import Section

_FIELDS = {"task": re.compile(r""), "seed": re.compile(r"(0\d)?d?")}
"""Fields that a file pattern may contain, and their allowed format specifications."""


class ImportedMethod(Section):
    """A method whose policies were trained elsewhere and are evaluated here like any others."""

    label: Label
    files: str = Field(
        min_length=1,
        description="path of the pickle of each task and seed, with {task} and {seed} (or "
        "{seed:03d}) as placeholders, relative to the folder that snakemake runs in; ~ is home",
    )
    sampler: str = Field(default="best_of_n", description="sampler that its policies act with")

    def method(self) -> Method:
        """Return the method's row of the comparison."""
        return Method(self.label, None, self.sampler, actor_loss="", interacts=False)

    def file(self, task: str, seed: int) -> Path:
        """Return the path of the policy of a task and seed."""
        return Path(self.files.format(task=task, seed=seed)).expanduser()


def check_imported(
    imported: Mapping[str, ImportedMethod],
    own: Mapping[str, OwnMethod],
    tasks: Sequence[str],
    seeds: Sequence[int],
) -> None:
    """Check the settings of all imported methods.

    Raises:
        ValueError: a name, label or sampler is not allowed or taken, or one file would be used for
            several tasks or seeds.
    """
    labels = [*TAKEN_LABELS, *(row.label for row in own.values())]
    for name, row in imported.items():
        where = f"imported.{name}"
        check_name(where, name, row.label, labels)
        labels.append(row.label)
        if name in own:
            raise ValueError(f"{where}: own_methods already uses this name; choose another")
        if row.sampler not in SAMPLERS:
            allowed = ", ".join(SAMPLERS)
            raise ValueError(f"{where}.sampler: unknown {row.sampler!r}; allowed: {allowed}")
        fields = _fields(f"{where}.files", row.files)
        for field, several in (("task", tasks), ("seed", seeds)):
            if field not in fields and len(several) > 1:
                raise ValueError(
                    f"{where}.files: {shown(row.files)} has no {{{field}}}, but the study has "
                    f"{len(several)} {field}s"
                )


def _fields(where: str, pattern: str) -> set[str]:
    """Return the fields in a file pattern; `ValueError` for any but the task and the seed."""
    try:
        parts = list(Formatter().parse(pattern))
    except ValueError as error:
        raise ValueError(f"{where}: {shown(pattern)}: {error}") from None
    fields = set()
    for _, field, form, conversion in parts:
        if field is None:
            continue
        if field not in _FIELDS or conversion or not _FIELDS[field].fullmatch(form or ""):
            raise ValueError(
                f"{where}: {shown(pattern)} has an unknown field; allowed are {{task}}, {{seed}} "
                "and, with leading zeros, {seed:03d}"
            )
        fields.add(field)
    return fields


def missing_files(
    imported: Mapping[str, ImportedMethod], tasks: Sequence[str], seeds: Sequence[int]
) -> Iterator[tuple[str, Path]]:
    """Yield the method's name and the path of every policy file that is missing."""
    for (name, row), task, seed in product(imported.items(), tasks, seeds):
        if not row.file(task, seed).is_file():
            yield name, row.file(task, seed)


def refuse_missing_imports(
    imported: Mapping[str, ImportedMethod], tasks: Sequence[str], seeds: Sequence[int]
) -> None:
    """Raise `UserError` unless the policy file of every task and seed exists."""
    missing = list(missing_files(imported, tasks, seeds))
    if missing:
        name, path = missing[0]
        more = f", and {len(missing) - 1} more are missing" if len(missing) > 1 else ""
        raise UserError(
            f"imported.{name}.files: no file {shown(str(path))}{more} (looked in {Path.cwd()}); "
            f"put it there, or remove {name} from methods"
        )
