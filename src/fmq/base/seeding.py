"""Random seeds: derive them from names, and seed code that uses numpy's global generator."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


def derive_seed(*parts: int | str) -> int:
    """Return a 63-bit seed that depends on every part and on their order.

    The seed is the first 63 bits of the SHA-256 of the parts' canonical JSON. It is the same on
    every machine, and ``derive_seed(1, "a")`` and ``derive_seed("1a")`` are unrelated.
    """
    text = json.dumps(parts, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@contextmanager
def global_numpy_seed(seed: int) -> Iterator[None]:
    """Seed numpy's global generator inside the block, and restore its state afterwards.

    OGBench's mazes and scripted experts draw from ``np.random`` and accept no other generator.

    Args:
        seed: non-negative, of any size (``np.random.seed`` itself stops at 32 bits).
    """
    before = np.random.get_state()
    np.random.seed(np.random.SeedSequence(seed).generate_state(8))
    try:
        yield
    finally:
        np.random.set_state(before)
