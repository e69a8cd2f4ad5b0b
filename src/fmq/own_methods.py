"""Methods in files of their own: what the settings say of one, and what its file holds.

A file is read with the settings, so that even a dry run tells what is wrong with it. It is executed
by the stages alone: nothing here imports torch, until a file does.
"""

import ast
import hashlib
import random
import re
import symtable
import sys
import traceback
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import Field

from fmq.errors import UserError
from fmq.messages import one_line
from fmq.methods import (
    METHODS,
    PRETRAININGS,
    SAMPLER_LABELS,
    Aggregate,
    Method,
    fitting_samplers,
    is_flow_map,
)
from fmq.section import Section

METHOD = "method.py"
"""A copy of the file, in run folders and exported policies."""

OFFLINE = ("distill", *(f"pretrain-{name}" for name in PRETRAININGS))
_TAKEN = {
    *METHODS,
    *SAMPLER_LABELS,
    *(method.actor_loss for method in METHODS.values()),
    *(pretraining.actor_loss for pretraining in PRETRAININGS.values()),
}
_NAME = re.compile(r"[a-z][a-z0-9_]*")  # no hyphen: those divide the names of files
_LONGEST = 200_000  # bytes, as of settings

Label = Annotated[
    str,
    Field(
        pattern=r"^\w([\w .,'()-]*[\w.')])?$",
        max_length=40,
        description="how tables and figures call it",
    ),
]
"""Of a method beside fmq's."""
TAKEN_LABELS = ("IQM", *SAMPLER_LABELS.values(), *(method.label for method in METHODS.values()))
"""What a method beside fmq's cannot be called in tables."""


class Code(NamedTuple):
    """A method's file as it was read.

    Attributes:
        path: as in the settings.
        text: all of it.
        digest: of what it does. Comments, layout and docstrings count for nothing.
        names: what it defines.
    """

    path: Path
    text: str
    digest: str
    names: frozenset[str]

    @property
    def sha256(self) -> str:
        """Of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


class OwnMethod(Section):
    """A method of the study's own: a file with its actor loss, and the rest of its row."""

    file: str = Field(min_length=1, description="Python file, seen from the working folder")
    label: Label
    offline: str = Field(description="offline run it starts from: distill or pretrain-NAME")
    sampler: str = Field(description="how it acts; the method's own name takes the file's sampler")
    interacts: bool = Field(default=True, description="whether it collects transitions online")
    critic_target: Aggregate | None = Field(
        default=None, description="over the critics; null takes online.critic_target"
    )

    @cached_property
    def code(self) -> Code:
        """Its file, read once; `UserError` if that cannot be."""
        return read_code(Path(self.file).expanduser())

    def method(self, name: str) -> Method:
        """Its row of the comparison."""
        return Method(
            self.label, self.offline, name, self.sampler, self.interacts, self.critic_target
        )


def check_own_methods(own: Mapping[str, OwnMethod]) -> None:
    """Refuse rows and files that cannot be methods beside fmq's.

    Raises:
        ValueError: a name, label, offline run or sampler is not allowed.
        UserError: a file is missing, is no Python, or does not define what it has to.
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
                f"{', '.join(allowed)} (that of its file)"
            )
        _check_names(name, row)


def check_name(where: str, name: str, label: str, labels: Collection[str]) -> None:
    """Refuse what a method beside fmq's is called.

    Args:
        where: key of the settings.
        labels: of the methods before it.

    Raises:
        ValueError: its name or its label is not allowed, or something else's.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{where}: a name begins with a small letter, and has small letters, digits and "
            "underscores"
        )
    if name in _TAKEN:
        raise ValueError(f"{where}: fmq has something of this name; choose another")
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
    """Samplers in files that make sense on a policy whose offline run was `start`.

    They were written for what their method starts from; a flow map can do all that others can.
    """
    return [
        name
        for name, row in own.items()
        if row.sampler == name and (is_flow_map(start) or start == row.offline)
    ]


def read_code(path: Path) -> Code:
    """Read a method's file; nothing in it is executed.

    Raises:
        UserError: it cannot be read or is no Python.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; own_methods names it, seen from {Path.cwd()}"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > _LONGEST:
        raise UserError(f"{path}: no method's file, those have {_LONGEST:,} bytes at most")
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
        raise UserError(f"{path}: {line}no Python: {one_line(error.msg)}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise UserError(f"{path}: no Python: {one_line(str(error), 200)}") from None
    names = (
        one.get_name() for one in table.get_symbols() if one.is_assigned() or one.is_imported()
    )
    digest = hashlib.sha256(bare.encode()).hexdigest()
    return Code(path, text, digest, frozenset(names))


def _bare(node: Any) -> Any:
    """The code without comments, layout and docstrings: types and values of its syntax tree.

    Fields that are empty are left out: newer versions of Python have more of them.
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
    """The module of the method `name`; `UserError` if its code fails."""
    module = ModuleType(f"own_{name}")
    module.__file__ = str(code.path)
    sys.modules[module.__name__] = module  # where dataclasses look for the names in annotations
    with drawing_nothing(code), told_in_one_line(code):
        exec(compile(code.text, str(code.path), "exec"), vars(module))
    return module


def defined(name: str, row: OwnMethod, thing: str, kind: type[Any]) -> Any:
    """What a method's file defines as `thing`; `UserError` if that is not of `kind`."""
    found = getattr(execute(name, row.code), thing, None)
    if not isinstance(found, kind):
        raise UserError(
            f"{row.file}: {thing} is of the type {type(found).__name__}; it has to be "
            f"{kind.__module__}.{kind.__name__}"
        )
    return found


@contextmanager
def drawing_nothing(code: Code) -> Iterator[None]:
    """Around foreign code: random numbers of its own, which no run could repeat, are refused."""
    before = _generators()
    yield
    if _generators() != before:
        raise UserError(
            f"{code.path}: draws random numbers itself, which no run could repeat; take those of "
            "noise and times, and ask for more of them where ActorLoss or Sampler is made"
        )


def _generators() -> list[Any]:
    """States of the generators that code reaches without being given one."""
    import torch

    numpy_state = np.random.get_state(legacy=False)
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    states = [state.numpy().tobytes() for state in (torch.get_rng_state(), *devices)]
    return [random.getstate(), repr(numpy_state), numpy_state["state"]["key"].tobytes(), *states]


@contextmanager
def told_in_one_line(code: Code) -> Iterator[None]:
    """Around foreign code: what it raises becomes a `UserError` that names the file's line."""
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
