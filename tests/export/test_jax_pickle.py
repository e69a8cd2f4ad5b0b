"""Pickles of arrays are read; of anything else, nothing is executed and nothing stays behind."""

import ast
import builtins
import copyreg
import inspect
import os
import pickle
import pickletools
import struct
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.refusals import refusal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fmq.base.errors import UserError
from fmq.export import jax_arrays, jax_pickle
from fmq.export.jax_pickle import read_tree

DATA = Path(__file__).parent / "data"


def write(folder: Path, content: Any, protocol: int = 4) -> Path:
    path = folder / "params.pkl"
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
    return path


def assert_same(found: Any, expected: Any) -> None:
    if isinstance(expected, dict | list | tuple):
        assert type(found) is type(expected)
        assert len(found) == len(expected)
        keys = expected if isinstance(expected, dict) else range(len(expected))
        for key in keys:
            assert_same(found[key], expected[key])
    elif isinstance(expected, np.ndarray | np.generic):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    else:
        assert type(found) is type(expected)
        assert found == expected


PLAIN = {
    "text": "x", "number": 1, "huge": 2**70, "real": 0.5, "yes": True, "none": None,
    "bytes": b"raw", "list": [1, [2, (3,)], ()], "tuples": [(1, 2), (1, 2, 3, 4)], 7: {},
}  # fmt: skip
ARRAYS = {
    "kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "strided": np.arange(12.0)[::2],
    "big end": np.arange(3, dtype=">f8"),
    "half": np.ones(2, np.float16),
    "keys": np.array([0, 42], np.uint32),
    "flags": np.array([True, False]),
    "empty": np.zeros((0, 3), np.float32),
    "rank 0": np.array(1.5),
    "scalar": np.float32(2.5),
}


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_plain_values_and_arrays(tmp_path: Path, protocol: int) -> None:
    tree = {"plain": PLAIN, "arrays": ARRAYS, "twice": [ARRAYS["kernel"]] * 2}
    assert_same(read_tree(write(tmp_path, tree, protocol)), tree)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    shape=st.lists(st.integers(0, 4), max_size=4),
    code=st.sampled_from(["<f4", ">f4", "<f8", "<f2", "|u1", "<i8", "|b1"]),
    order=st.sampled_from("CF"),
    protocol=st.sampled_from([3, 4, 5]),
)
def test_arrays_of_any_shape(
    tmp_path: Path, shape: list[int], code: str, order: Any, protocol: int
) -> None:
    array = np.random.default_rng(0).normal(9, 9, shape).astype(code, order=order)
    assert_same(read_tree(write(tmp_path, {"a": array}, protocol)), {"a": array})


def test_arrays_of_jax() -> None:
    """A file that jax itself wrote, under numpy 2."""
    agent = read_tree(DATA / "jax_agent.pkl")["agent"]
    assert agent["rng"].dtype == np.uint32
    assert agent["network"]["step"] == 11
    kernel = agent["network"]["params"]["modules_critic"]["value_net"]["Dense_0"]["kernel"]
    assert kernel.shape == (2, 13, 8)
    assert kernel.dtype == np.float32
    assert "jax" not in sys.modules


def text(value: str) -> bytes:
    return pickle.SHORT_BINUNICODE + bytes([len(value)]) + value.encode()


def named(module: str, name: str) -> bytes:
    return text(module) + text(name) + pickle.STACK_GLOBAL


def program(*parts: bytes) -> bytes:
    return pickle.PROTO + b"\x04" + b"".join(parts) + pickle.STOP


def test_flax_s_frozen_dictionary(tmp_path: Path) -> None:
    inner = pickle.dumps({"a": 1}, 4)[2:-1]  # without PROTO and STOP
    frozen = named("flax.core.frozen_dict", "FrozenDict") + inner + pickle.TUPLE1 + pickle.REDUCE
    assert read_tree(write(tmp_path, program(frozen))) == {"a": 1}


class Payload:
    """Pickles as a call."""

    def __init__(self, call: Callable[..., Any], *arguments: Any) -> None:
        self.call = call, arguments

    def __reduce__(self) -> Any:
        return self.call


class Slots:
    """Pickles through copyreg."""

    def __reduce__(self) -> Any:
        return copyreg._reconstructor, (Slots, object, None)


TRACE = "fmq_was_here"
TOUCH = f"touch {TRACE}"
NUMBERS = named("numpy", "dtype") + text("f8") + pickle.TUPLE1 + pickle.REDUCE
EMPTY = (
    named("numpy.core.multiarray", "_reconstruct")
    + named("numpy", "ndarray")
    + b"K\x00\x85C\x01b\x87R"  # (0,), b"b", and the call
)


def array_of(shape: bytes, raw: bytes = b"C\x080000000\x00") -> bytes:
    return program(EMPTY, b"(K\x01", shape, NUMBERS, pickle.NEWFALSE, raw, b"tb")


def call(module: str, name: str, argument: str) -> bytes:
    return named(module, name) + text(argument) + pickle.TUPLE1 + pickle.REDUCE


PAYLOADS = {
    "os.system": Payload(os.system, TOUCH),
    "eval": Payload(builtins.eval, f"open('{TRACE}', 'w')"),
    "exec": Payload(builtins.exec, f"open('{TRACE}', 'w')"),
    "open": Payload(builtins.open, TRACE, "w"),
    "getattr": Payload(builtins.getattr, 1, "real"),
    "nested": {"params": [{"Dense_0": {"kernel": np.ones(3), "bias": Payload(os.system, TOUCH)}}]},
    "inside an array": np.array([Payload(os.system, TOUCH)], dtype=object),
    "behind weights": [np.ones(1000), Payload(os.system, TOUCH)],
    "class": OrderedDict(a=1),
    "copyreg": Slots(),
    "protocol 0": pickle.dumps(Payload(os.system, TOUCH), 0),
    "protocol 2": pickle.dumps(Payload(os.system, TOUCH), 2),
    "INST": b"(S'" + TOUCH.encode() + b"'\nios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nS'" + TOUCH.encode() + b"'\no.",
    "NEWOBJ": program(named("os", "system"), text(TOUCH), pickle.TUPLE1, pickle.NEWOBJ),
    "extension registry": program(pickle.EXT1, b"\x01"),
    "persistent id": program(text("x"), pickle.BINPERSID),
    "dotted name": program(call("numpy", "dtype.__class__", "x")),
    "submodule": program(call("numpy.core.multiarray", "_reconstruct.__globals__", "x")),
    "name from the memo": program(
        text("system"), b"\x940", text("os"), b"h\x00\x93", text(TOUCH), b"\x85R"
    ),
    "name of no text": program(b"K\x01K\x02", pickle.STACK_GLOBAL),
    "text called": program(call("numpy", "dtype", "f8")[:-1] + b"0" + text("os") + b")R"),
    "ndarray called": program(named("numpy", "ndarray"), b"K\x05\x85\x85R"),
    "numpy's loader": program(call("numpy", "load", TRACE)),
    "attributes of a global": program(
        named("numpy.core.multiarray", "_reconstruct"), b"}", text("__doc__"), text(TRACE), b"sb"
    ),
    "slots of a global": program(
        named("numpy", "dtype"), b"N}", text("__defaults__"), b")s\x86b"
    ),
    "a maker of jax": program(
        named("jax._src.array", "_reconstruct_array"),
        b"(", named("os", "system"), text(TOUCH), b"\x85NNtR",
    ),
    "text as a maker of jax": program(
        named("jax._src.array", "_reconstruct_array"), b"(", text("os.system"), b")NNtR"
    ),
    "data type in a key": program(b"}", NUMBERS, b"K\x01s"),
    "a name as a value": program(named("numpy", "ndarray")),
    "an array never filled": program(EMPTY),
    "huge shape": array_of(b"\x8a\x06\x00\x00\x00\x00\x00\x7f\x85"),
    "huge rank": array_of(b"(" + b"K\x01" * 200 + b"t"),
    "negative shape": array_of(b"J\xff\xff\xff\xffJ\xff\xff\xff\xff\x86"),
    "shape of text": array_of(text("8") + b"\x85"),
    "objects in an array": program(
        named("numpy", "dtype"), text("O8"), pickle.TUPLE1, pickle.REDUCE
    ),
    "one array many times": program(
        b"](", array_of(b"M\xe8\x03\x85", b"B" + struct.pack("<I", 8000) + bytes(8000))[2:-1],
        b"\x94", b"h\x00" * 200, b"e",
    ),
    "records": program(named("numpy", "dtype"), text("V8"), pickle.TUPLE1, pickle.REDUCE),
    "items into a tuple": program(b")K\x01a"),
    "list as a key": program(b"}]K\x01s"),
    "contains itself": program(b"]\x94h\x00a"),
    "deep": program(b"]" * 200_000, b"a" * 199_999),
    "doubled and doubled": program(
        b"]\x94", *(b"]\x94(h" + bytes([k]) + b"h" + bytes([k]) + b"e" for k in range(40))
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", PAYLOADS)
def test_payloads_are_refused_and_leave_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = write(tmp_path, PAYLOADS[kind])
    monkeypatch.chdir(tmp_path)
    makers = {name: vars(maker).copy() for name, maker in jax_arrays.MAKERS.items()}
    modules = set(sys.modules)
    told = refusal(read_tree, path)
    assert "refused, nothing in it was executed" in told
    assert len(told) < 600
    assert list(tmp_path.iterdir()) == [path]
    assert set(sys.modules) == modules
    assert {name: vars(maker) for name, maker in jax_arrays.MAKERS.items()} == makers


def test_the_payloads_would_have_worked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of those above, given to Python itself: else they would show nothing."""
    monkeypatch.chdir(tmp_path)
    kinds = ["os.system", "eval", "open", "nested", "inside an array", "protocol 0", "INST"]
    for kind in (*kinds, "OBJ", "name from the memo"):
        content = write(tmp_path, PAYLOADS[kind]).read_bytes()
        pickle.loads(content)
        (tmp_path / TRACE).unlink()


def calls_of_calls(depth: int) -> bytes:
    """A maker of jax whose maker is a maker of jax, and so on."""
    maker = named("jax._src.array", "_reconstruct_array") + b"\x94"
    return program(b"(" + maker, b"(h\x02" * depth, b")NNt" * depth, b"NNtR")


@pytest.mark.parametrize(
    "content",
    [
        calls_of_calls(100_000),
        b"",
        b"PK\x03\x04 a zip file",
        b"\x80\x04",
        b"\x80\x04.",
        b"\x80\x04R.",
        b"\x80\x04t.",
        program(b"h\x05"),
        program(b"K\x01(e"),
        program(b"r" + struct.pack("<I", 2**32 - 1)),
        program(b"\x8e" + struct.pack("<Q", 2**62) + b"short"),
        program(b"\x8d" + struct.pack("<Q", 2**62) + b"short"),
        program(b"\x8c\x01\xff"),
        pickle.dumps(ARRAYS, 4)[:200],
    ],
)
def test_damaged_files(tmp_path: Path, content: bytes) -> None:
    told = refusal(read_tree, write(tmp_path, content))
    assert "damaged" in told or "refused" in told


def test_a_large_memo_index_reserves_no_memory(tmp_path: Path) -> None:
    path = write(tmp_path, program(b"K\x01r" + struct.pack("<I", 2**31)))
    assert read_tree(path) == 1


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), min_size=1, max_size=4))
def test_whatever_the_bytes_it_is_a_tree_or_one_line(
    tmp_path: Path, changes: list[tuple[float, int]]
) -> None:
    content = bytearray(pickle.dumps({"plain": PLAIN, "arrays": ARRAYS}, 4))
    for place, byte in changes:
        content[int(place * len(content))] = byte
    try:
        read_tree(write(tmp_path, bytes(content)))
    except UserError as error:
        told = str(error)
    else:
        told = ""
    assert len(told.splitlines()) <= 1


def test_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere.pkl"):
        assert refusal(read_tree, path) == f"{path}: no such file"


def test_all_that_is_interpreted_is_an_opcode() -> None:
    source = ast.parse(inspect.getsource(jax_pickle.interpret))
    cases = {node.value.value for node in ast.walk(source) if isinstance(node, ast.MatchValue)}
    assert "REDUCE" in cases
    known = {opcode.name for opcode in pickletools.opcodes}
    assert known > cases | jax_pickle._LITERALS | set(jax_pickle._CONSTANTS)
