"""Read pickles of arrays without unpickling them, so that nothing in them is executed.

`pickle.Unpickler` with a list of allowed names is not enough: it allocates memory for any memo
index in the file, and its BUILD opcode changes attributes of the allowed functions themselves.
This module interprets the opcodes itself. Names are never imported; each of the few that arrays
need is replaced by a function of `fmq.export.jax_arrays`, which builds an array from the file's
bytes.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
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

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_STORE, _FETCH = {"BINPUT", "LONG_BINPUT", "MEMOIZE"}, {"BINGET", "LONG_BINGET"}
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


@dataclass
class Machine:
    """The interpreter's state: the stack, the stacks below the open marks, and the memo."""

    stack: list[Any] = field(default_factory=list)
    below: list[list[Any]] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def since_mark(self) -> list[Any]:
        """Pop and return all items above the last mark."""
        items, self.stack = self.stack, self.below.pop()
        return items


def interpret(content: bytes) -> Any:
    """Interpret a pickle and return its value, with `Array`s and `Name`s in it."""
    machine = Machine()
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name == "STOP":
            return machine.stack.pop()
        _step(machine, opcode.name, argument)
    raise ValueError("it has no STOP opcode")


def _step(machine: Machine, opcode: str, argument: Any) -> None:
    stack = machine.stack
    if opcode in _LITERALS:
        stack.append(argument)
    elif opcode in _CONSTANTS:
        stack.append(_CONSTANTS[opcode])
    elif opcode in _STORE:
        machine.memo[len(machine.memo) if argument is None else argument] = stack[-1]
    elif opcode in _FETCH:
        stack.append(machine.memo[argument])
    elif opcode in _TUPLES:
        count = _TUPLES[opcode]
        stack[-count:] = [tuple(stack[-count:])]
    elif opcode in _OPERATIONS:
        _OPERATIONS[opcode](machine, argument)
    elif opcode not in ("PROTO", "FRAME"):
        raise Refused(f"it uses {opcode}, which arrays do not need")


def _mark(machine: Machine, _: Any) -> None:
    machine.below.append(machine.stack)
    machine.stack = []


def _tuple(machine: Machine, _: Any) -> None:
    items = tuple(machine.since_mark())
    machine.stack.append(items)


def _append(machine: Machine, items: list[Any]) -> None:
    _container(machine, list).extend(items)


def _set_items(machine: Machine, items: list[Any]) -> None:
    target = _container(machine, dict)
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, str | int):
            raise Refused(f"a key of the type {type(key).__name__}")
        target[key] = value


def _container(machine: Machine, kind: type) -> Any:
    if type(machine.stack[-1]) is not kind:
        raise Refused(f"items are put into a {type(machine.stack[-1]).__name__}")
    return machine.stack[-1]


def _pair(machine: Machine) -> list[Any]:
    value, key = machine.stack.pop(), machine.stack.pop()
    return [key, value]


def _global(machine: Machine, argument: str) -> None:
    machine.stack.append(known_name(*argument.split(" ", 1)))


def _stack_global(machine: Machine, _: Any) -> None:
    machine.stack.append(known_name(*_pair(machine)))


def _reduce(machine: Machine, _: Any) -> None:
    maker, arguments = _pair(machine)
    if not isinstance(arguments, tuple):
        raise Refused("a call without a tuple of arguments")
    machine.stack.append(make(maker, arguments))


def _build(machine: Machine, _: Any) -> None:
    state = machine.stack.pop()
    fill(machine.stack[-1], state)


_OPERATIONS: dict[str, Callable[[Machine, Any], None]] = {
    "MARK": _mark,
    "TUPLE": _tuple,
    "EMPTY_TUPLE": lambda machine, _: machine.stack.append(()),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "APPEND": lambda machine, _: _append(machine, [machine.stack.pop()]),
    "APPENDS": lambda machine, _: _append(machine, machine.since_mark()),
    "SETITEM": lambda machine, _: _set_items(machine, _pair(machine)),
    "SETITEMS": lambda machine, _: _set_items(machine, machine.since_mark()),
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _reduce,
    "BUILD": _build,
}


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
