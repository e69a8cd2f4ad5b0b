"""Build arrays from a pickle: the few globals that it may call, and their replacements.

Every array consists of exactly the bytes in the file, whatever shape it claims.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

_NUMBERS = re.compile(r"[?]|b1|[iu][1248]|f[248]")


class Refused(ValueError):
    """A file holds something other than arrays in plain containers; the message says what."""


class Name(NamedTuple):
    """A global that the file refers to, by name only."""

    module: str
    name: str


@dataclass
class Numbers:
    """A numpy data type under construction."""

    code: str
    order: str = "="


@dataclass
class Array:
    """An array under construction: numpy's pickles create it first and fill it later."""

    values: np.ndarray | None = None


def known_name(module: Any, name: Any) -> Name:
    """Return the global of this name if arrays need it, else raise `Refused`."""
    if not (isinstance(module, str) and isinstance(name, str)):
        raise Refused("a global whose name is not text")
    if (module, name) not in MAKERS and (module, name) != _NDARRAY:
        raise Refused(f"it names {module}.{name}")
    return Name(module, name)


def make(maker: Any, arguments: tuple[Any, ...]) -> Any:
    """Return the result of calling a global: an array, a data type or a dictionary."""
    if not isinstance(maker, Name) or maker not in MAKERS:
        raise Refused("a call of something that does not make an array")
    return MAKERS[maker](*arguments)


def fill(target: Any, state: Any) -> None:
    """Set the content of an array, or the byte order of a data type."""
    if isinstance(target, Array) and isinstance(state, tuple) and len(state) == 5:
        _, shape, numbers, fortran, raw = state
        target.values = _array(raw, numbers, shape, "F" if fortran is True else "C")
    elif isinstance(target, Numbers) and isinstance(state, tuple) and len(state) == 8:
        _, order, *parts = state
        if order not in ("<", ">", "=", "|") or any(part is not None for part in parts[:3]):
            raise Refused("a data type with parts")
        target.order = order
    else:
        raise Refused(f"the state of a {type(target).__name__} is set")


def _array(raw: Any, numbers: Any, shape: Any, order: Any) -> np.ndarray:
    """Return an array of exactly the given bytes, else raise `Refused`."""
    if not isinstance(numbers, Numbers) or not isinstance(raw, bytes | bytearray):
        raise Refused("an array of something other than numbers")
    if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
        raise Refused("an array with an invalid shape")
    dtype = np.dtype(numbers.order + numbers.code)
    if len(shape) > 8 or math.prod(shape) * dtype.itemsize != len(raw) or order not in ("C", "F"):
        raise Refused(f"an array whose shape does not match its {len(raw)} bytes")
    return np.ndarray(shape, dtype, raw, order=order)  # a view: arrays may share their bytes


def _numbers(code: Any, *_: Any) -> Numbers:
    if not isinstance(code, str) or _NUMBERS.fullmatch(code) is None:
        raise Refused("an array of something other than numbers")
    return Numbers(code)


def _unfilled(*_: Any) -> Array:
    return Array()


def _scalar(numbers: Any, raw: Any) -> Array:
    return Array(_array(raw, numbers, (), "C"))


def _from_buffer(raw: Any, numbers: Any, shape: Any, order: Any) -> Array:
    return Array(_array(raw, numbers, shape, order))


def _from_jax(maker: Any, arguments: Any, state: Any, _: Any) -> Array:
    """Do as `jax._src.array._reconstruct_array`, but keep the array off any device."""
    array = make(maker, arguments if isinstance(arguments, tuple) else ())
    if not isinstance(array, Array):
        raise Refused("a jax array that is not made from a numpy array")
    fill(array, state)
    return array


def _from_flax(content: Any = None) -> dict[Any, Any]:
    if type(content) is not dict:
        raise Refused("a FrozenDict that is not made from a dictionary")
    return content


_NDARRAY = ("numpy", "ndarray")
MAKERS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "dtype"): _numbers,
    ("jax._src.array", "_reconstruct_array"): _from_jax,
    ("flax.core.frozen_dict", "FrozenDict"): _from_flax,
}
for _core in ("numpy.core", "numpy._core"):
    MAKERS[f"{_core}.multiarray", "_reconstruct"] = _unfilled
    MAKERS[f"{_core}.multiarray", "scalar"] = _scalar
    MAKERS[f"{_core}.numeric", "_frombuffer"] = _from_buffer
