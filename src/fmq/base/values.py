"""Check values from JSON against type annotations, with the standard library alone."""

import math
from dataclasses import MISSING, fields, is_dataclass
from functools import partial
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from fmq.base.errors import UserError
from fmq.base.messages import shown

LARGEST = 2**63 - 1
"""The largest integer that tables and random generators hold."""

_WORDS = {int: "an integer", float: "a number", str: "text", bool: "true or false"}

T = TypeVar("T")


class Bounds(NamedTuple):
    """The bounds of an annotated number, both included unless it has to be `beyond` the least."""

    least: float
    most: float = math.inf
    beyond: bool = False


Count = Annotated[int, Bounds(1)]


def checked(value: Any, hint: Any, place: str) -> Any:
    """Return a value from JSON as its annotation says, with integers made floats where wanted.

    Numbers are finite, integers fit into 64 bits, and text is printable and on one line.

    Args:
        value: the value, as `json.loads` returns it.
        hint: bool, int, float, str or Any, one of these `Annotated` with `Bounds`, a `Literal`,
            an optional type, a list, a dictionary by text, or a dataclass.
        place: the value's key, for messages.

    Raises:
        UserError: the value does not fit; the message begins with its key.
    """
    origin, parts = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        return build(cast(type, hint), value, place)
    if origin is UnionType:
        (kind,) = (part for part in parts if part is not NoneType)
        return None if value is None else checked(value, kind, place)
    if origin is Annotated:
        return _within(checked(value, parts[0], place), parts[1], place)
    if origin is Literal:
        if not any(type(value) is type(part) and value == part for part in parts):
            raise UserError(
                f"{place}: allowed are {', '.join(map(str, parts))}; got {shown(value)}"
            )
        return value
    if origin is list:
        _refuse_other(value, list, "a list", place)
        return [checked(one, parts[0], place) for one in value]
    if origin is dict:
        _refuse_other(value, dict, "a group of values", place)
        return {key: checked(one, parts[1], f"{place}.{key}") for key, one in value.items()}
    return value if hint is Any else _plain(value, hint, place)


def build(kind: type[T], values: Any, place: str = "") -> T:
    """Return the dataclass `kind` made of a JSON object.

    Raises:
        UserError: a key is missing or unknown, or a value does not fit (`checked`).
    """
    _refuse_other(values, dict, "a group of values", place)
    hints = get_type_hints(kind, include_extras=True)
    at = partial("{}.{}".format, place) if place else str
    for field in fields(cast(Any, kind)):
        if field.name not in values and field.default is MISSING:
            raise UserError(f"{at(field.name)}: missing")
    for key in values:
        if key not in hints:
            raise UserError(f"{at(shown(key)[1:-1])}: unknown key; allowed: {', '.join(hints)}")
    return kind(**{key: checked(value, hints[key], at(key)) for key, value in values.items()})


def _plain(value: Any, kind: type, place: str) -> Any:
    if kind is float and type(value) is int and abs(value) <= LARGEST:
        return float(value)
    _refuse_other(value, kind, _WORDS[kind], place)
    if kind is int and abs(value) > LARGEST:
        raise UserError(f"{place}: must be between -{LARGEST} and {LARGEST}, got {shown(value)}")
    if kind is float and not math.isfinite(value):
        raise UserError(f"{place}: must be finite, got {value}")
    if kind is str and not value.isprintable():
        raise UserError(f"{place}: must be printable and on one line, got {shown(value)}")
    return value


def _within(value: Any, bounds: Bounds, place: str) -> Any:
    if value < bounds.least or (bounds.beyond and value == bounds.least):
        words = "more than" if bounds.beyond else "at least"
        raise UserError(f"{place}: must be {words} {bounds.least}, got {shown(value)}")
    if value > bounds.most:
        raise UserError(f"{place}: must be at most {bounds.most}, got {shown(value)}")
    return value


def _refuse_other(value: Any, kind: type, words: str, place: str) -> None:
    if type(value) is not kind:
        raise UserError(f"{place or 'content'}: must be {words}, got {shown(value)}")
