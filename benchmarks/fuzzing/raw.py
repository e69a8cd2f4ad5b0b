"""Damage the bytes of any file.

Every choice in this package comes from the given `random.Random`, so a seed identifies an input.
"""

from collections.abc import Callable
from random import Random


def damage_bytes(random: Random, content: bytes, others: list[bytes]) -> bytes:
    """Apply one to four flips, overwrites, cuts, insertions, repetitions or splices."""
    for _ in range(random.choice((1, 1, 2, 4))):
        content = random.choice(_BYTE_DAMAGES)(random, content, others)
    return content


def _place(random: Random, content: bytes) -> int:
    """Choose a position, often near an end, where headers and indices are."""
    span = len(content)
    if random.random() < 0.4:
        near = min(span, random.choice((8, 64, 512)))
        return random.randint(0, near) if random.random() < 0.5 else span - random.randint(0, near)
    return random.randint(0, span)


def _flip(random: Random, content: bytes, others: list[bytes]) -> bytes:
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 3, 20))):
        if changed:
            changed[min(_place(random, content), len(changed) - 1)] ^= 1 << random.randrange(8)
    return bytes(changed)


def _overwrite(random: Random, content: bytes, others: list[bytes]) -> bytes:
    start, count = _place(random, content), random.choice((1, 2, 4, 8, 8, 100))
    filling = random.choice((b"\0", b"\xff", b"\x7f", random.randbytes(1))) * count
    return content[:start] + filling + content[start + count :]


def _truncate(random: Random, content: bytes, others: list[bytes]) -> bytes:
    return content[: _place(random, content)]


def _insert(random: Random, content: bytes, others: list[bytes]) -> bytes:
    start = _place(random, content)
    filling = random.randbytes(random.choice((1, 2, 7, 64, 4096)))
    return content[:start] + filling + content[start:]


def _remove(random: Random, content: bytes, others: list[bytes]) -> bytes:
    start = _place(random, content)
    return content[:start] + content[start + random.choice((1, 2, 16, 500)) :]


def _repeat(random: Random, content: bytes, others: list[bytes]) -> bytes:
    first, last = sorted((_place(random, content), _place(random, content)))
    block = content[first : min(last, first + 100_000)]
    return content[:last] + block * random.choice((1, 1, 2, 10)) + content[last:]


def _splice(random: Random, content: bytes, others: list[bytes]) -> bytes:
    other = random.choice(others)
    return content[: _place(random, content)] + other[_place(random, other) :]


_BYTE_DAMAGES: tuple[Callable[[Random, bytes, list[bytes]], bytes], ...] = (
    *(_flip, _flip, _overwrite, _truncate, _insert, _remove, _repeat, _splice),
)
