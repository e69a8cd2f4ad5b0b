"""Damage checkpoints with knowledge of their format."""

import io
import pickle
import zipfile
from random import Random
from typing import Any

import numpy as np
import torch

from fuzzing.npz import pack
from fuzzing.trap import Trap


def damage_checkpoint(random: Random, content: bytes) -> bytes:
    """Replace tensors or other values, plant a trap, or change members of the archive."""
    if random.random() < 0.4:
        return _damage_archive(random, content)
    state = torch.load(io.BytesIO(content), weights_only=True)
    places = _tensor_places(state)
    for parent, key in random.sample(places, random.choice((1, 1, 2))):
        parent[key] = _odd_tensor(random, parent[key])
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _tensor_places(state: Any) -> list[tuple[Any, Any]]:
    found, open_ = [], [state]
    while open_:
        parent = open_.pop()
        keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
        found += [(parent, key) for key in keys]
        open_ += [parent[key] for key in keys if isinstance(parent[key], dict | list)]
    return found


def _odd_tensor(random: Random, value: Any) -> Any:
    looped: list[Any] = []
    looped.append(looped)
    doubled: list[Any] = [0]
    for _ in range(60):
        doubled = [doubled, doubled]
    deep: list[Any] = []
    for _ in range(300):
        deep = [deep]
    odd = [
        *(None, 0, -1, 10**9, 10**40, True, 0.5, float("nan"), "text", "a\nb", b"x", "x" * 10**6),
        *([], {}, (), [1], {"a": 1}, {1: 2}, looped, doubled, deep, Trap(), {1, 2}, np.float64(1)),
        *(torch.zeros(()), torch.zeros(3), torch.zeros(0), torch.zeros(2, 2), torch.Size([1])),
        *(torch.zeros(1).expand(10**6), torch.zeros(1).expand(10**12), torch.zeros(3).to_sparse()),
        *(torch.zeros(10**12, device="meta"), torch.zeros(3, dtype=torch.complex64)),
        torch.nn.Parameter(torch.zeros(2)),
    ]
    if isinstance(value, torch.Tensor) and random.random() < 0.6:
        changed = value.clone()
        if changed.numel() and changed.is_floating_point():
            numbers = (float("nan"), float("inf"), -float("inf"), 1e30)
            changed.view(-1)[random.randrange(changed.numel())] = random.choice(numbers)
        return random.choice((changed, changed, value.double(), value.half(), value.flatten()))
    return random.choice(odd)


def _damage_archive(random: Random, content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = random.choice(list(members))
    kind = random.randrange(7)
    if kind == 0:
        del members[name]
    elif kind == 1:
        members[name] = members[name][: random.randrange(len(members[name]) + 1)]
    elif kind == 2:
        members[name] = random.randbytes(len(members[name]))
    elif kind == 3:
        first = next(one for one in members if one.endswith("data.pkl"))
        members[first] = pickle.dumps(Trap(), protocol=random.choice((0, 2, 4)))
    elif kind == 4:
        first = next(one for one in members if one.endswith("data.pkl"))
        changed = bytearray(members[first])
        for _ in range(random.choice((1, 1, 3))):
            changed[random.randrange(len(changed))] = random.randrange(256)
        members[first] = bytes(changed)
    elif kind == 5:
        members = {
            one.replace("archive/", random.choice(("", "a/", "../"))): members[one]
            for one in members
        }
    else:
        members["archive/constants.pkl"] = pickle.dumps(Trap())
    return pack(random, members)
