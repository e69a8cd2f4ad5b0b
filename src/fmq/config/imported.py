"""Imported methods: policies trained elsewhere, each run read from a file of flax weights.

The files are the user's own, or published ones that `fmq/config/sources.yaml` lists.

`fmq.export.imported_runs` reads the files; this module does not import torch.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from string import Formatter

from pydantic import Field, model_validator

from fmq.base.errors import UserError
from fmq.base.files import in_home
from fmq.base.messages import shown
from fmq.config.methods import METHODS, Method
from fmq.config.own_methods import TAKEN_LABELS, Label, OwnMethod, check_name
from fmq.config.samplers import SAMPLERS
from fmq.config.section import Section
from fmq.config.sources import remote_policy

_FIELDS = {"task": re.compile(r""), "seed": re.compile(r"(0\d)?d?")}
"""Fields that a file pattern may contain, and their allowed format specifications."""


class ImportedMethod(Section):
    """A method whose policies were trained elsewhere and are evaluated here like any others."""

    label: Label
    files: str | None = Field(
        default=None,
        min_length=1,
        description="path of the pickle of each task and seed, with {task} and {seed} (or "
        "{seed:03d}) as placeholders, relative to the folder that snakemake runs in; ~ is home",
    )
    source: str | None = Field(
        default=None,
        description="instead of `files`: published policies in fmq/config/sources.yaml, taken from "
        "data_dir or downloaded",
    )
    sampler: str = Field(default="best_of_n", description="sampler that its policies act with")
    reproduces: str | None = Field(
        default=None,
        description="fmq's name of the method of these policies, e.g. fmq: with `published`, what "
        "was reported of it is shown beside them",
    )

    @model_validator(mode="after")
    def _one_origin(self) -> "ImportedMethod":
        if (self.files is None) == (self.source is None):
            raise ValueError("needs either files or source")
        return self

    def method(self) -> Method:
        """Return the method's row of the comparison."""
        return Method(self.label, None, self.sampler, actor_loss="", interacts=False)

    def file(self, task: str, seed: int) -> Path:
        """Return the path of the user's own file for a task and seed."""
        assert self.files is not None, f"{self.label}: its policies are published ones"
        return in_home(self.files.format(task=task, seed=seed))

    def file_name(self, task: str, seed: int) -> str:
        """Return the name of the file of a task and seed, the user's own or a published one."""
        if self.source is None:
            return self.file(task, seed).name
        return remote_policy(self.source, task, seed).name


def check_imported(
    imported: Mapping[str, ImportedMethod],
    own: Mapping[str, OwnMethod],
    tasks: Sequence[str],
    seeds: Sequence[int],
) -> None:
    """Check the settings of all imported methods.

    Raises:
        ValueError: a name, label or sampler is not allowed or taken, one file would be used for
            several tasks or seeds, or there is no published one for a task and seed.
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
        if row.reproduces not in (None, *METHODS):
            allowed = ", ".join(METHODS)
            raise ValueError(f"{where}.reproduces: unknown {row.reproduces!r}; allowed: {allowed}")
        if row.source is not None:
            _check_source(f"{where}.source", row.source, tasks, seeds)
        fields = {"task", "seed"} if row.files is None else _fields(f"{where}.files", row.files)
        for field, several in (("task", tasks), ("seed", seeds)):
            if field not in fields and len(several) > 1:
                raise ValueError(
                    f"{where}.files: {shown(row.files)} has no {{{field}}}, but the study has "
                    f"{len(several)} {field}s"
                )


def _check_source(where: str, source: str, tasks: Sequence[str], seeds: Sequence[int]) -> None:
    """Raise `ValueError` unless there is a published policy for every task and seed."""
    try:
        for task, seed in product(tasks, seeds):
            remote_policy(source, task, seed)
    except UserError as error:
        raise ValueError(f"{where}: {error}") from None


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
    """Yield the method's name and the path of every policy file of the user's that is missing."""
    own = {name: row for name, row in imported.items() if row.source is None}
    for (name, row), task, seed in product(own.items(), tasks, seeds):
        if not row.file(task, seed).is_file():
            yield name, row.file(task, seed)


def refuse_missing_imports(
    imported: Mapping[str, ImportedMethod], tasks: Sequence[str], seeds: Sequence[int]
) -> None:
    """Raise `UserError` unless the user's policy file of every task and seed exists."""
    missing = list(missing_files(imported, tasks, seeds))
    if missing:
        name, path = missing[0]
        more = f", and {len(missing) - 1} more are missing" if len(missing) > 1 else ""
        raise UserError(
            f"imported.{name}.files: no file {shown(str(path))}{more} (looked in {Path.cwd()}); "
            f"put it there, or remove {name} from methods"
        )
