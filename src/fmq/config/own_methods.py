"""User-defined methods: their settings, and the Python files that define them.

A file is read with the settings, so that even a dry run reports errors in it. Only the training and
evaluation stages execute it: this module does not import torch before that.
"""

import ast
import hashlib
import inspect
import random
import re
import symtable
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import Field

from fmq.base.errors import UserError
from fmq.base.messages import one_line
from fmq.config.methods import (
    METHODS,
    PRETRAININGS,
    SAMPLER_LABELS,
    Aggregate,
    Method,
    fitting_samplers,
    is_flow_map,
)
from fmq.config.section import Section

METHOD = "method.py"
"""Name of the method file's copy in run folders and exported policies."""

OFFLINE = ("distill", *(f"pretrain-{name}" for name in PRETRAININGS))
_TAKEN = {
    *METHODS,
    *SAMPLER_LABELS,
    *(method.actor_loss for method in METHODS.values()),
    *(pretraining.actor_loss for pretraining in PRETRAININGS.values()),
}
_NAME = re.compile(r"[a-z][a-z0-9_]*")  # no hyphens: they separate the parts of file names
_LONGEST = 200_000  # bytes, as for settings files

Label = Annotated[
    str,
    Field(
        pattern=r"^\w([\w .,'()-]*[\w.')])?$",
        max_length=40,
        description="label in tables and figures",
    ),
]
"""The label of a user-defined or imported method."""
TAKEN_LABELS = ("IQM", *SAMPLER_LABELS.values(), *(method.label for method in METHODS.values()))
"""Labels that user-defined and imported methods cannot have."""


class Code(NamedTuple):
    """A method file as it was read.

    Attributes:
        path: path as in the settings.
        text: source code.
        digest: hash of the code without comments, layout and docstrings.
        names: module-level names that it assigns or imports.
    """

    path: Path
    text: str
    digest: str
    names: frozenset[str]

    @property
    def sha256(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


class OwnMethod(Section):
    """A user-defined method: a file with its actor loss, and its row of the comparison."""

    file: str = Field(min_length=1, description="Python file, relative to the working folder")
    label: Label
    offline: str = Field(description="offline run that it starts from: distill or pretrain-NAME")
    sampler: str = Field(
        description="sampler that it acts with; the method's own name means the file's sampler"
    )
    interacts: bool = Field(default=True, description="whether it collects transitions online")
    critic_target: Aggregate | None = Field(
        default=None, description="mean or min over the critics; null takes online.critic_target"
    )
    settings: dict[str, float | int | str | bool] = Field(
        default={}, description="keyword arguments of the file's actor_loss, by name"
    )

    @cached_property
    def code(self) -> Code:
        """The method file, read once; `UserError` if it cannot be read."""
        return read_code(Path(self.file).expanduser())

    def method(self, name: str) -> Method:
        """Return the method's row of the comparison."""
        return Method(
            self.label, self.offline, name, self.sampler, self.interacts, self.critic_target
        )


def check_own_methods(own: Mapping[str, OwnMethod]) -> None:
    """Check the settings and files of all user-defined methods.

    Raises:
        ValueError: a name, label, offline run or sampler is not allowed.
        UserError: a file is missing, is not valid Python, or lacks a required definition.
    """
    labels = [*TAKEN_LABELS]
    for name, row in own.items():
        where = f"own_methods.{name}"
        check_name(where, name, row.label, labels)
        labels.append(row.label)
        if row.offline not in OFFLINE:
            raise ValueError(
                f"{where}.offline: unknown {row.offline!r}; allowed: {', '.join(OFFLINE)}"
            )
        allowed = [*fitting_samplers(row.offline), name]
        if row.sampler not in allowed:
            raise ValueError(
                f"{where}.sampler: {row.sampler!r} does not fit {row.offline}; allowed: "
                f"{', '.join(allowed)} (the one in its file)"
            )
        _check_names(name, row)


def check_name(where: str, name: str, label: str, labels: Collection[str]) -> None:
    """Check the name and the label of a user-defined or imported method.

    Args:
        where: key of the method in the settings, for messages.
        name: the method's name.
        label: the method's label.
        labels: labels that are taken.

    Raises:
        ValueError: the name or the label is not allowed, or taken.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{where}: a name begins with a lowercase letter and has only lowercase letters, "
            "digits and underscores"
        )
    if name in _TAKEN:
        raise ValueError(f"{where}: fmq already uses this name; choose another")
    if label in labels:
        raise ValueError(f"{where}.label: {label!r} is taken; choose another")


def _check_names(name: str, row: OwnMethod) -> None:
    wanted = {"actor_loss": "ActorLoss(noises, times, loss)"}
    if row.sampler == name:
        wanted["sampler"] = "Sampler(noises, choose)"
    for thing, how in wanted.items():
        if thing not in row.code.names:
            raise UserError(
                f"own_methods.{name}: {row.file} defines no {thing}; add {thing} = {how}"
            )


def own_samplers(own: Mapping[str, OwnMethod], start: str | None) -> list[str]:
    """Return the samplers in method files that suit a policy whose offline run was `start`.

    A sampler suits the offline run that its method starts from, and any flow map.
    """
    return [
        name
        for name, row in own.items()
        if row.sampler == name and (is_flow_map(start) or start == row.offline)
    ]


def read_code(path: Path) -> Code:
    """Read a method file without executing it.

    Raises:
        UserError: the file cannot be read or is not valid Python.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; own_methods names it relative to {Path.cwd()}"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > _LONGEST:
        raise UserError(f"{path}: too large for a method; at most {_LONGEST:,} bytes")
    return _parsed(path, content)


@cache
def _parsed(path: Path, content: bytes) -> Code:
    try:
        text = content.decode()
        tree = ast.parse(text)
        table = symtable.symtable(text, str(path), "exec")
        bare = repr(_bare(tree))
    except SyntaxError as error:
        line = f"line {error.lineno}: " if error.lineno else ""
        raise UserError(f"{path}: {line}not valid Python: {one_line(error.msg)}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise UserError(f"{path}: not valid Python: {one_line(str(error), 200)}") from None
    names = (
        one.get_name() for one in table.get_symbols() if one.is_assigned() or one.is_imported()
    )
    digest = hashlib.sha256(bare.encode()).hexdigest()
    return Code(path, text, digest, frozenset(names))


def _bare(node: Any) -> Any:
    """Return the syntax tree as nested types and values, without docstrings.

    The tree has no comments or layout. Empty fields are left out, because newer versions of Python
    add more of them.
    """
    if isinstance(node, list):
        return [_bare(one) for one in node]
    if not isinstance(node, ast.AST):
        return node
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    fields = dict(ast.iter_fields(node))
    if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
        fields["body"] = node.body[1:]
    kept = {name: _bare(value) for name, value in fields.items() if value not in (None, [])}
    return type(node).__name__, kept


@cache
def execute(name: str, code: Code) -> ModuleType:
    """Execute a method file and return its module; `UserError` if the code fails."""
    module = ModuleType(f"own_{name}")
    module.__file__ = str(code.path)
    sys.modules[module.__name__] = module  # dataclasses resolve annotations there
    with drawing_nothing(code), told_in_one_line(code):
        exec(compile(code.text, str(code.path), "exec"), vars(module))
    return module


def defined(
    name: str, row: OwnMethod, thing: str, kind: type[Any], numbers: Mapping[str, Any] = {}
) -> Any:
    """Return the object `thing` of a method file; if it is a function, call it with `numbers`.

    Args:
        name: the method's name.
        row: the method's settings.
        thing: name of the object in the file.
        kind: required type.
        numbers: keyword arguments of the function.

    Raises:
        UserError: the object is not of type `kind`, or does not accept these numbers.
    """
    found = getattr(execute(name, row.code), thing, None)
    if callable(found) and not isinstance(found, kind):
        found = _made(name, row, thing, kind, found, numbers)
    elif numbers:
        raise UserError(
            f"{row.file}: {thing} takes no settings, and own_methods.{name}.settings has "
            f"{', '.join(numbers)}; make {thing} a function of them"
        )
    if not isinstance(found, kind):
        raise UserError(
            f"{row.file}: {thing} is of type {type(found).__name__}; it must be "
            f"{kind.__module__}.{kind.__name__}"
        )
    return found


def _made(
    name: str,
    row: OwnMethod,
    thing: str,
    kind: type[Any],
    function: Callable[..., Any],
    numbers: Mapping[str, Any],
) -> Any:
    """Call a function of a method file with the numbers in the method's settings."""
    try:
        inspect.signature(function).bind(**numbers)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{row.file}: {thing} must be a {kind.__module__}.{kind.__name__}, or a function that "
            f"makes one from own_methods.{name}.settings ({', '.join(numbers) or 'none'}): {error}"
        ) from None
    with told_in_one_line(row.code):
        return function(**numbers)


@contextmanager
def drawing_nothing(code: Code) -> Iterator[None]:
    """Raise `UserError` if the code inside the block draws from a global random generator.

    A run could not reproduce such numbers.
    """
    before = _generators()
    yield
    if _generators() != before:
        raise UserError(
            f"{code.path}: draws random numbers itself, which runs cannot reproduce; use the noise "
            "and times that it is given, and request more of them in ActorLoss or Sampler"
        )


def _generators() -> list[Any]:
    """Return the states of the global random generators."""
    import torch

    numpy_state = np.random.get_state(legacy=False)
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    states = [state.numpy().tobytes() for state in (torch.get_rng_state(), *devices)]
    return [random.getstate(), repr(numpy_state), numpy_state["state"]["key"].tobytes(), *states]


@contextmanager
def told_in_one_line(code: Code) -> Iterator[None]:
    """Convert exceptions of the code inside the block to a `UserError` that names its line."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(code.path)]
        place = f"{code.path}: line {lines[-1]}" if lines else f"{code.path}"
        reason = one_line(" ".join(str(error).split()), 300)
        raise UserError(f"{place}: {type(error).__name__}: {reason}") from error
