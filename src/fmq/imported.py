"""Methods that are not trained here: policies of others, each run read from a file of flax weights.

`fmq.export.imported_runs` reads the files; nothing here imports torch.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from string import Formatter

from pydantic import Field

from fmq.errors import UserError
from fmq.messages import shown
from fmq.methods import SAMPLER_LABELS, Method, fitting_samplers
from fmq.own_methods import TAKEN_LABELS, Label, OwnMethod, check_name
from fmq.section import Section

_FIELDS = {"task": re.compile(r""), "seed": re.compile(r"(0\d)?d?")}
"""What a pattern of files may name, and how it may be written."""


class ImportedMethod(Section):
    """A method whose policies were trained elsewhere, and are evaluated here like any run's."""

    label: Label
    files: str = Field(
        min_length=1,
        description="pickle of each task and seed, with {task} and {seed} (or {seed:03d}) for "
        "their names, from the folder that snakemake runs in; ~ is home",
    )
    sampler: str = Field(default="best_of_n", description="how its policies act")

    def method(self) -> Method:
        """Its row of the comparison."""
        return Method(self.label, None, "", self.sampler, interacts=False)

    def file(self, task: str, seed: int) -> Path:
        """Where the policy of a task and seed is."""
        return Path(self.files.format(task=task, seed=seed)).expanduser()


def check_imported(
    imported: Mapping[str, ImportedMethod],
    own: Mapping[str, OwnMethod],
    tasks: Sequence[str],
    seeds: Sequence[int],
) -> None:
    """Refuse rows that cannot be methods beside fmq's and those in files.

    Raises:
        ValueError: a name, label or sampler is not allowed, or one file would stand for several
            tasks or seeds.
    """
    labels = [*TAKEN_LABELS, *(row.label for row in own.values())]
    for name, row in imported.items():
        where = f"imported.{name}"
        check_name(where, name, row.label, labels)
        labels.append(row.label)
        if name in own:
            raise ValueError(f"{where}: own_methods has one of this name; choose another")
        if row.sampler not in SAMPLER_LABELS:
            allowed = ", ".join(fitting_samplers(None))
            raise ValueError(f"{where}.sampler: unknown {row.sampler!r}; allowed: {allowed}")
        fields = _fields(f"{where}.files", row.files)
        for field, several in (("task", tasks), ("seed", seeds)):
            if field not in fields and len(several) > 1:
                raise ValueError(
                    f"{where}.files: {shown(row.files)} has no {{{field}}}, and the study has "
                    f"{len(several)} {field}s"
                )


def _fields(where: str, pattern: str) -> set[str]:
    """What a pattern of files names; `ValueError` if it is something else than tasks and seeds."""
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
                f"{where}: {shown(pattern)} has a field that no file has; allowed are {{task}}, "
                "{seed} and, with leading zeros, {seed:03d}"
            )
        fields.add(field)
    return fields


def missing_files(
    imported: Mapping[str, ImportedMethod], tasks: Sequence[str], seeds: Sequence[int]
) -> Iterator[tuple[str, Path]]:
    """Name of the method and path of every file that is not there."""
    for (name, row), task, seed in product(imported.items(), tasks, seeds):
        if not row.file(task, seed).is_file():
            yield name, row.file(task, seed)


def refuse_missing_imports(
    imported: Mapping[str, ImportedMethod], tasks: Sequence[str], seeds: Sequence[int]
) -> None:
    """Raise `UserError` unless the file of every task and seed is there."""
    missing = list(missing_files(imported, tasks, seeds))
    if missing:
        name, path = missing[0]
        more = f", and {len(missing) - 1} more are missing" if len(missing) > 1 else ""
        raise UserError(
            f"imported.{name}.files: no file {shown(str(path))}{more} (looked in {Path.cwd()}); "
            f"put it there, or leave {name} out of methods"
        )
