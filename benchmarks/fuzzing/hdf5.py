"""Damage HDF5 files with knowledge of their format: links, other shapes, data never written."""

import io
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import h5py
import numpy as np

from fuzzing.npz import odd_array

Edit = Callable[[Random, h5py.File], None]


def damage_hdf5(random: Random, content: bytes) -> bytes:
    """Change one or two members or attributes inside the file."""
    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as file:
        for _ in range(random.choice((1, 1, 2))):
            # An earlier edit may have taken away what this one needs.
            with suppress(TypeError, ValueError, KeyError, RuntimeError, OSError):
                random.choice(_HDF5_EDITS)(random, file)
    return buffer.getvalue()


def _members(file: h5py.File) -> list[str]:
    names: list[str] = []
    file["data"].visit(names.append)
    # Members that an earlier edit turned into links are not visited.
    return [f"data/{name}" for name in names] or ["data"]


def _array_name(random: Random, file: h5py.File) -> str | None:
    names = [name for name in _members(file) if isinstance(file.get(name), h5py.Dataset)]
    return random.choice(names) if names else None


def _link(random: Random, file: h5py.File) -> None:
    name = random.choice(_members(file))
    del file[name]
    target = random.choice((name, "data/demo_0", "/data/demo_1/actions", "/", "/nowhere"))
    file[name] = random.choice(
        (h5py.SoftLink(target), h5py.ExternalLink("../other.hdf5", f"/{name}"))
    )


def _outside(random: Random, file: h5py.File) -> None:
    """Keep an array's numbers in another file, by external storage or a virtual data set."""
    name = _array_name(random, file)
    if name is None:
        return
    shape, dtype = file[name].shape, file[name].dtype
    del file[name]
    if random.random() < 0.5:
        where = [("../other.hdf5", 0, h5py.h5f.UNLIMITED)]
        file.create_dataset(name, shape, dtype, external=where)
    else:
        space = h5py.h5s.create_simple(shape)
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_obj_track_times(False)  # timestamps would make every input different
        plan.set_virtual(space, b"../other.hdf5", f"/{name}".encode(), space)
        h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(dtype), space, plan)


def _values(random: Random, file: h5py.File) -> None:
    name = _array_name(random, file)
    if name is None:
        return
    if file[name].size and file[name].size > 10**6:  # announced by an earlier edit
        return
    array = file[name][()]
    del file[name]
    if array.size and array.dtype.kind in "fiu":
        array = odd_array(random, array)
    try:
        file[name] = array
    except TypeError:  # HDF5 has no such type
        file[name] = "text"


def _announced(random: Random, file: h5py.File) -> None:
    """Announce a shape far beyond what is stored: HDF5 fills in what was never written."""
    name = _array_name(random, file)
    if name is None:
        return
    rows = random.choice((10**6, 10**9, 10**12))
    tail = file[name].shape[1:]
    group = file[name].parent
    del file[name]
    file.create_dataset(name, (rows, *tail), "f8", chunks=(1000, *tail), fillvalue=0)
    if random.random() < 0.7 and "num_samples" in group.attrs:
        group.attrs["num_samples"] = rows


def _all_announced(random: Random, file: h5py.File) -> None:
    """Announce such a shape for every array of a demonstration, so that they agree."""
    rows = random.choice((10**6, 10**8))
    names = [name for name in _members(file) if name.startswith("data/demo_0/")]
    for name in names:
        if isinstance(file.get(name), h5py.Dataset):
            tail = file[name].shape[1:]
            del file[name]
            file.create_dataset(name, (rows, *tail), "f8", chunks=(1000, *tail), fillvalue=0)
    if "data/demo_0" in file:
        file["data/demo_0"].attrs["num_samples"] = rows


def _kind(random: Random, file: h5py.File) -> None:
    """Put another kind of member in a member's place."""
    name = random.choice(_members(file))
    del file[name]
    kind = random.randrange(6)
    if kind == 0:
        file.create_group(name)
    elif kind == 1:
        file[name] = np.dtype("f8")
    elif kind == 2:
        file[name] = random.choice(("text", 1.0, True))
    elif kind == 3:
        file[name] = h5py.Empty("f4")
    elif kind == 4:
        file.create_dataset(name, (3,), h5py.special_dtype(vlen=np.dtype("f4")))


def _rename(random: Random, file: h5py.File) -> None:
    name = random.choice(_members(file))
    new = random.choice(("demo_1", "demo_07", "demo_9" + "9" * 5000, "a\nb", "é" * 300, "demo_x"))
    target = f"{name.rpartition('/')[0]}/{new}"
    if target not in file:
        file.move(name, target)


def _attribute(random: Random, file: h5py.File) -> None:
    holders = [file["data"]] if "data" in file else [file]
    holders += [one for one in holders[0].values() if isinstance(one, h5py.Group)]
    holder = random.choice([one for one in holders if len(one.attrs)] or holders)
    if not len(holder.attrs):
        return
    name = random.choice(list(holder.attrs))
    if random.random() < 0.15:
        del holder.attrs[name]
        return
    text = holder.attrs[name] if name == "env_args" else "{}"
    replaced = (
        *(
            0,
            -1,
            1,
            2**62,
            3.0,
            np.float64("nan"),
            True,
            "3",
            "",
            "a\nb",
            "null",
            "[1]",
            "9" * 5000,
        ),
        *(np.arange(3), np.int8(5), np.uint64(2**63), np.array([5]), h5py.Empty("i8"), b"\xff\xfe"),
        *("[" * 40_000, '{"env_name": "Lift", "env_kwargs": 3}'),
        *(_replaced(text, one) for one in ("1.4", "1.5\n", "9" * 5000 + ".5", "", "١.٥", "1.50")),
    )
    holder.attrs[name] = random.choice(replaced)


def _replaced(text: Any, version: str) -> str:
    return str(text).replace("1.5.2", version)


_HDF5_EDITS: tuple[Edit, ...] = (
    *(_link, _outside, _values, _values, _announced, _all_announced, _kind, _rename, _attribute),
)
