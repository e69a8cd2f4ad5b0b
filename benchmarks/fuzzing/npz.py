"""Damage npz files with knowledge of their format.

A well-formed file that lies gets further than one with a flipped bit.
"""

import io
import pickle
import struct
import zipfile
from random import Random

import numpy as np

from fuzzing.trap import Trap

_DTYPES = ("f2", "f4", ">f8", "f8", "f16", "i1", "u8", "i8", "?", "c8", "S3", "U2", "M8[s]", "V4")
_SHAPES = ("({n},)", "({n}, 1)", "({n}, 0)", "(0,)", "()", "(-1, 2)", "({n}, 2, 1)", "(2, {n})")
_HUGE_SHAPES = ("(1000000000, 2)", "(4294967296, 4294967296)", "(99999999999,)", "(2147483648,)")


def damage_npz(random: Random, content: bytes) -> bytes:
    """Give one or two arrays other types, shapes or values, or make members no arrays."""
    with np.load(io.BytesIO(content)) as archive:
        members = {f"{name}.npy": _npy(array) for name, array in archive.items()}
        arrays = dict(archive)
    for _ in range(random.choice((1, 1, 2))):
        name = random.choice(list(arrays))
        members[f"{name}.npy"] = _odd_member(random, arrays[name])
        kind = random.randrange(16)
        if kind == 0:
            members.pop(f"{name}.npy")
        elif kind == 1:
            members[random.choice(("masks.npy", "rewards.npy", "qvel.npy"))] = _npy(
                odd_array(random, arrays["terminals"])
            )
        elif kind == 2:
            cut = random.randrange(1, len(arrays[name]) + 1)
            members |= {f"{key}.npy": _npy(array[-cut:]) for key, array in arrays.items()}
        elif kind == 3:
            labels = arrays["terminals"].astype("f4")
            members["rewards.npy"], members["masks.npy"] = (
                _npy(labels - 1),
                _npy(odd_array(random, labels)),
            )
    return pack(random, members)


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def odd_array(random: Random, array: np.ndarray) -> np.ndarray:
    """Return the array with other values, another type or another shape."""
    kind = random.randrange(6)
    if kind == 0:
        with np.errstate(all="ignore"):
            return _cast(array, random.choice(_DTYPES))
    if kind == 1:
        shapes = (array.shape[::-1], (-1,), (*array.shape, 1), (1, *array.shape))
        return array.reshape(random.choice(shapes))
    if kind == 2:
        return array[: random.randrange(len(array))]
    if kind == 3:
        return np.asfortranarray(array)
    changed = _cast(array, "f8" if random.random() < 0.8 else "f16")
    values = (np.nan, np.inf, -np.inf, 1e39, -1e300, 0.5, 2.0, -1.0, 1e-320)
    changed.flat[random.randrange(changed.size)] = random.choice(values)
    return _cast(changed, changed.dtype.str[1:])


def _cast(array: np.ndarray, kind: str) -> np.ndarray:
    changed = np.array(array, kind)
    if kind == "f16":  # six of its bytes are padding, which has to be reproducible
        changed.view("u1").reshape(*changed.shape, 16)[..., 10:] = 0
    return changed


def _odd_member(random: Random, array: np.ndarray) -> bytes:
    kind = random.randrange(8)
    if kind == 0:
        return _npy(np.array([Trap()] * len(array), dtype=object))
    if kind == 1:
        return pickle.dumps(Trap(), protocol=random.choice((0, 2, 4)))
    if kind <= 3:
        return _forged(random, array)
    if kind == 4:
        return _npy(array)[: random.randrange(200)]
    return _npy(odd_array(random, array))


def _forged(random: Random, array: np.ndarray) -> bytes:
    """Write a header by hand, so that what it announces need not follow."""
    shape = random.choice((*_SHAPES, *_HUGE_SHAPES, str(array.shape))).format(n=len(array))
    kind = random.choice(("<f8", "|O", "<f4", "|V1000000000", "<U99999999", array.dtype.str, "x"))
    keys = {"descr": repr(kind), "fortran_order": "False", "shape": shape}
    if random.random() < 0.3:
        keys[random.choice(list(keys))] = random.choice(
            (
                "None",
                "__import__('os')",
                "(" * 500,
                "9" * 6000,
                "1L",
                "'" + "a" * 9000,
                "[(1,)]",
                "{",
            )
        )
    text = "{" + ", ".join(f"'{key}': {value}" for key, value in keys.items()) + ", }\n"
    version = random.choice(((1, 0), (1, 0), (2, 0), (3, 0), (9, 9)))
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text.encode() + array.tobytes()


def pack(random: Random, members: dict[str, bytes]) -> bytes:
    """Pack an archive, sometimes compressed, with a repeated name or one outside the folder."""
    buffer = io.BytesIO()
    method = random.choice((0, 0, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2))
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
        if random.random() < 0.03:
            archive.writestr(zipfile.ZipInfo("../escaped.npy"), b"x")
    content = buffer.getvalue()
    if random.random() < 0.1:  # a twin: give one member the name of another
        names = [name.encode() for name in members]
        pairs = [(a, b) for a in names for b in names if a != b and len(a) == len(b)]
        if pairs:
            content = content.replace(*random.choice(pairs))
    return content


_bomb: list[bytes] = []


def npz_bomb(random: Random, content: bytes) -> bytes:
    """Return a few megabytes that unpack to over a gigabyte of zeros."""
    if not _bomb:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            info = zipfile.ZipInfo("observations.npy")
            info.compress_type = zipfile.ZIP_DEFLATED
            header = io.BytesIO()
            rows = 80_000_000
            shape = {"descr": "<f8", "fortran_order": False, "shape": (rows, 2)}
            np.lib.format.write_array_header_1_0(header, shape)
            with archive.open(info, "w", force_zip64=True) as member:
                member.write(header.getvalue())
                for _ in range(rows * 16 // 2**20):
                    member.write(bytes(2**20))
                member.write(bytes(rows * 16 % 2**20))
        _bomb.append(buffer.getvalue())
    return _bomb[0]
