"""Damage trees of values, and the YAML and JSON files that hold them."""

import json
import math
from collections.abc import Callable
from random import Random
from typing import Any

import yaml

Damage = Callable[[Random, bytes], bytes]

Tree = Any
"""Mappings, lists and plain values, as in JSON and YAML."""

HUGE = 10**30
NUMBERS = (0, 1, -1, 2, 0.5, -0.0, 1e-320, 1e308, -1e308, 2**31, 2**63 - 1, 2**63, -(2**63), HUGE)
TEXTS = (
    *("", " ", "nan", "inf", "-inf", "NaN", "1e-3", "1e999", "1_000", "true", "null", "0x10"),
    *("../../etc/passwd", "/etc/passwd", "a\nb", "a\0b", "\x1b[31m", "\u2028", "\ud800", "٣"),
    *("a" * 300, "é" * 100_000, "9" * 5000, "x" * 1_000_000, "1,2", '"', "$(touch executed)"),
)


def odd_value(random: Random, value: Tree) -> Tree:
    """Return a replacement for `value`, mostly one that is not allowed in its place."""
    kind = random.randrange(8)
    if kind == 0:
        return random.choice(NUMBERS)
    if kind == 1:
        return random.choice((math.nan, math.inf, -math.inf))
    if kind == 2:
        return random.choice(TEXTS)
    if kind == 3:
        return random.choice((True, False, None, [], {}, [[]], {"a": {}}, [None], [True]))
    if kind == 4:
        nested: Tree = value
        for _ in range(random.choice((1, 5, 50, 300))):
            nested = [nested] if random.random() < 0.5 else {"a": nested}
        return nested
    if kind == 5 and isinstance(value, int | float):
        return random.choice((-value, value + 0.5, value * 1000, str(value), [value], f" {value}"))
    if kind == 6 and isinstance(value, list):
        return value * random.choice((0, 2, 1000))
    return random.choice(([value], {"value": value}, str(value), value))


def damage_tree(random: Random, tree: Tree) -> Tree:
    """Return a copy with one to three values replaced, removed, renamed, added or exchanged."""
    tree = _copy(tree)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        places = _places(tree)
        if not places:
            return tree
        parent, key = random.choice(places)
        kind = random.randrange(8)
        if kind == 0:
            del parent[key]
        elif kind == 1 and isinstance(parent, dict):
            parent[random.choice((f"{key}x", "", key.upper(), *TEXTS))] = parent.pop(key)
        elif kind == 2 and isinstance(parent, dict):
            parent[random.choice(("extra", "__class__", *TEXTS))] = random.choice(NUMBERS)
        elif kind == 3:
            other, place = random.choice(places)
            parent[key] = _copy(other[place]) if place in _keys(other) else None
        else:
            parent[key] = odd_value(random, parent[key])
    return tree


def _copy(tree: Tree) -> Tree:
    if isinstance(tree, dict):
        return {key: _copy(value) for key, value in tree.items()}
    return [_copy(value) for value in tree] if isinstance(tree, list) else tree


def _keys(parent: Tree) -> list[Any]:
    return list(parent) if isinstance(parent, dict) else list(range(len(parent)))


def _places(tree: Tree) -> list[tuple[Tree, Any]]:
    """Return every (parent, key) of the tree."""
    found, open_ = [], [tree]
    while open_:
        parent = open_.pop()
        if isinstance(parent, dict | list):
            found += [(parent, key) for key in _keys(parent)]
            open_ += [parent[key] for key in _keys(parent)]
    return found


def _damage_document(load: Callable[[bytes], Any], dump: Callable[[Any], str]) -> Damage:
    def damage(random: Random, content: bytes) -> bytes:
        tree = load(content)
        for _ in range(3):
            try:
                return dump(damage_tree(random, tree)).encode("utf-8", "surrogatepass")
            except (RecursionError, ValueError):  # too deep, or too many digits to write
                continue
        return content

    return damage


def damage_json_text(random: Random, content: bytes) -> bytes:
    """Replace a value by text that no tree contains: repeated keys, odd numbers, deep nesting."""
    text = content.decode()
    place = random.choice([at for at, sign in enumerate(text) if sign == ":"])
    odd = ("[" * 100_000, '{"a":' * 5000, "9" * 5000, "NaN", "-Infinity", "1e999", "1.5", "-1", "")
    end = text.find(",", place)
    again = '{"name": 1, "name": 2}'
    return (text[: place + 1] + random.choice((*odd, again)) + text[max(end, place + 1) :]).encode()


damage_json = _damage_document(json.loads, json.dumps)
damage_yaml = _damage_document(yaml.safe_load, lambda tree: yaml.safe_dump(tree, sort_keys=False))

_LINES = (
    *("a: &a [1]", "name: *a", "<<: {seed: 5}", "name: !!python/object/apply:os.system [touch x]"),
    *("seed: !!int abc", "seed: !!float x", "seed: !!bool x", "seed: !!timestamp x", "seed: 0b_"),
    *("seed: 2001-99-99", "seed: 2001-01-01", "seed: 190:20:30", "seed: 0x" + "f" * 9000),
    *("name: !!binary aGVsbG8=", "seeds: !!set {1, 2}", "seed: 9" + "9" * 5000, "seed: 017"),
    *("? [a, b]\n: 3", "? {a: 1}\n: 3", "- a", "seed: .inf", "seed: .nan", "threads: yes"),
    *("training: {learning_rate: .inf}", "training: {learning_rate: 1e-3}", "\tseed: 3", "seed: 3"),
    *('name: "a\\nb"', 'data_dir: "a\\nb"', 'data_dir: "\\0"', 'data_dir: "\\ud800"', "%YAML 9.9"),
    *("--- {}\n--- {}", "seed: " + "[" * 3000, "{" * 50, "seeds: [" + "1, " * 20_000 + "1]", "!!"),
    *(
        '? "a\\nb"\n: 3',
        "name: |\n  a\n  b",
        "? " + "x" * 2000 + "\n: 1",
        "threads: 1_0",
        "\0",
        "\x85",
    ),
)


def damage_yaml_text(random: Random, content: bytes) -> bytes:
    """Write lines of YAML that do not mean what they look like, or mean too much."""
    lines = content.decode().splitlines()
    for _ in range(random.choice((1, 1, 2))):
        kind = random.randrange(5)
        row = random.randrange(len(lines))
        if kind == 0:
            lines.insert(random.randint(0, len(lines)), lines[row])
        elif kind == 1:
            lines[row] = f"  {lines[row]}" if random.random() < 0.5 else lines[row].strip()
        elif kind == 2:
            lines += yaml_bomb(random)
        elif kind == 3:
            key, colon, _ = lines[row].partition(":")
            value = random.choice(_LINES).partition(":")[2]
            lines[row] = f"{key}{colon}{value}" if colon else lines[row]
        else:
            lines.insert(random.choice((0, row, len(lines))), random.choice(_LINES))
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def yaml_bomb(random: Random) -> list[str]:
    """Return a few lines that stand for more values than fit in memory, or for themselves."""
    target = random.choice(("name", "seeds", "networks", "data_dir", "task_settings", "seed"))
    if random.random() < 0.2:
        return [f"{target}: &loop [*loop]"]
    merged = random.random() < 0.4
    first, again = ("{a: 1, b: 2}", "{<<: [%s]}") if merged else ("[1, 2]", "[%s]")
    lines = [f"a0: &a0 {first}"]
    for level in range(1, 40):
        inner = ", ".join([f"*a{level - 1}"] * 3)
        lines.append(f"a{level}: &a{level} {again % inner}")
    return [*lines, f"{target}: *a39"]
