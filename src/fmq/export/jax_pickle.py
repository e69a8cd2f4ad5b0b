"""Read pickles of arrays without unpickling them, so that nothing in them is executed.

`pickle.Unpickler` with a list of allowed names is not enough: it allocates memory for any memo
index in the file, and its BUILD opcode changes attributes of the allowed functions themselves.
This module interprets the opcodes itself. Names are never imported; each of the few that arrays
need is replaced by a function of `fmq.export.jax_arrays`, which builds an array from the file's
bytes.
"""

import pickletools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fmq.base.errors import UserError
from fmq.base.messages import one_line
from fmq.export.jax_arrays import Array, Refused, fill, known_name, make

LARGEST = 2**31
"""Maximum file size in bytes; the authors' files have about 50 million."""

DEEPEST, MOST = 50, 100_000
"""Maximum depth of a tree, and maximum number of values, counting repeated visits."""

REPEATED = 10
"""Maximum total size of the arrays as a multiple of the file size; some may be shared."""

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BYTEARRAY8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
    *("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
}


def read_tree(path: Path) -> Any:
    """Read a pickle of dictionaries, lists, tuples, plain values and numpy arrays.

    Jax arrays are returned as numpy arrays, and flax's FrozenDict as a dictionary.

    Raises:
        UserError: the file cannot be read, is damaged, or holds anything else.
    """
    try:
        if not path.is_file():
            raise UserError(f"{path}: no such file")
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path}: larger than {LARGEST:,} bytes, so not an authors' file")
        content = path.read_bytes()
        return finished(interpret(content), len(content))
    except UserError:
        raise
    except Refused as error:
        raise UserError(
            f"{path}: refused, nothing in it was executed: {one_line(str(error), 300)}; allowed "
            "are numpy and jax arrays in plain dictionaries, as in params_online_sd000.pkl"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except Exception as error:  # invalid bytes may raise any exception
        reason = one_line(f"{type(error).__name__} {error}", 200)
        raise UserError(f"{path}: not a pickle, or damaged: {reason}; download it again") from None


def interpret(content: bytes) -> Any:
    """Interpret a pickle and return its value, with `Array`s and `Name`s in it."""
    stack: list[Any] = []
    below: list[list[Any]] = []  # the stacks below the open marks
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        nonlocal stack
        items, stack = stack, below.pop()
        return items

    def last_two() -> list[Any]:
        last, other = stack.pop(), stack.pop()
        return [other, last]

    opcodes: Iterator[tuple[Any, Any, Any]] = pickletools.genops(content)
    for opcode, argument, _ in opcodes:
        match opcode.name:
            case "STOP":
                return stack.pop()
            case "PROTO" | "FRAME":
                pass
            case name if name in _LITERALS:
                stack.append(argument)
            case name if name in _CONSTANTS:
                stack.append(_CONSTANTS[name])
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "BINPUT" | "LONG_BINPUT" | "MEMOIZE":
                memo[len(memo) if argument is None else argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "MARK":
                below.append(stack)
                stack = []
            case "TUPLE":
                items = tuple(since_mark())
                stack.append(items)
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(opcode.name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "APPEND":
                item = stack.pop()
                _extend(stack[-1], [item])
            case "APPENDS":
                values = since_mark()
                _extend(stack[-1], values)
            case "SETITEM":
                values = last_two()
                _set_items(stack[-1], values)
            case "SETITEMS":
                values = since_mark()
                _set_items(stack[-1], values)
            case "GLOBAL":
                stack.append(known_name(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                stack.append(known_name(*last_two()))
            case "REDUCE":
                stack.append(_call(*last_two()))
            case "BUILD":
                state = stack.pop()
                fill(stack[-1], state)
            case name:
                raise Refused(f"it uses {name}, which arrays do not need")
    raise ValueError("it has no STOP opcode")


def _extend(target: Any, items: list[Any]) -> None:
    _refuse_other(target, list)
    target.extend(items)


def _set_items(target: Any, items: list[Any]) -> None:
    _refuse_other(target, dict)
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, str | int):
            raise Refused(f"a key of the type {type(key).__name__}")
        target[key] = value


def _refuse_other(target: Any, kind: type) -> None:
    if type(target) is not kind:
        raise Refused(f"items are put into a {type(target).__name__}")


def _call(maker: Any, arguments: Any) -> Any:
    if not isinstance(arguments, tuple):
        raise Refused("a call without a tuple of arguments")
    return make(maker, arguments)


def finished(value: Any, size: int) -> Any:
    """Return the tree with every `Array` replaced by its numpy array.

    Args:
        value: the tree, from `interpret`.
        size: size of the file in bytes.

    Raises:
        Refused: a node is not a value, or the tree is deeper or larger than plausible for weights,
            such as one that contains itself.
    """
    values, numbers = MOST, REPEATED * size

    def walk(value: Any, depth: int) -> Any:
        nonlocal values, numbers
        values -= 1
        if isinstance(value, Array) and value.values is not None:
            numbers -= value.values.nbytes
        if depth > DEEPEST or values < 0 or numbers < 0:
            raise Refused(
                f"more than {DEEPEST} levels, {MOST:,} values or {REPEATED} times the file's bytes"
            )
        if isinstance(value, Array) and value.values is not None:
            return value.values
        if isinstance(value, dict):
            return {key: walk(item, depth + 1) for key, item in value.items()}
        if type(value) in (list, tuple):
            return type(value)(walk(item, depth + 1) for item in value)
        if value is None or isinstance(value, bool | int | float | str | bytes | bytearray):
            return value
        raise Refused(f"a {type(value).__name__} where a value belongs")

    return walk(value, 0)
