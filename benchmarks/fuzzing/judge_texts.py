"""Judges of settings, tables, manifests and digests, which describe what is wrong with them.

The judges read the file again by other means, and have the promises of each reader built in.
"""

import csv
import io
import json
import math
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from fmq.config.reading import schema_text

NUMBER = re.compile(r"-?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?", re.ASCII)


@cache
def _validator() -> Any:
    return jsonschema.Draft202012Validator(json.loads(schema_text()))


def study(path: Path, found: Any, whole: bool, base: Path | None = None) -> str | None:
    """Check that values fit the schema, are finite, and are the file's own in key and type."""
    text = path.read_text()
    if fault := _repeated(yaml.compose(text)):
        return fault
    values = yaml.safe_load(text)
    if base is not None:
        values = _over(yaml.safe_load(base.read_text()), values)
    accepted = found.model_dump(mode="json")
    for error in _validator().iter_errors(accepted):
        return f"outside the schema: {error.message}"[:200]
    return _differs("", values, accepted)


def _repeated(node: Any) -> str | None:
    """Describe a key that occurs twice in one mapping, if there is one."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    keys = [key.value for key, _ in pairs if isinstance(key, yaml.ScalarNode)]
    if len(set(keys)) < len(keys):
        return f"a key is given twice among {keys}"[:200]
    inside = [value for _, value in pairs]
    inside += node.value if isinstance(node, yaml.SequenceNode) else []
    return next((fault for one in inside if (fault := _repeated(one))), None)


def _over(values: Any, changes: Any) -> Any:
    if not (isinstance(values, dict) and isinstance(changes, dict)):
        return changes
    return values | {key: _over(values.get(key), change) for key, change in changes.items()}


def _differs(where: str, given: Any, accepted: Any) -> str | None:
    """Describe the first value that is not what the file says, if there is one."""
    if isinstance(accepted, dict) and isinstance(given, dict):
        shared = [key for key in accepted if key in given]
        faults = (_differs(f"{where}.{key}", given[key], accepted[key]) for key in shared)
    elif isinstance(accepted, list) and isinstance(given, list) and len(accepted) == len(given):
        pairs = enumerate(zip(given, accepted, strict=True))
        faults = (_differs(f"{where}.{at}", *pair) for at, pair in pairs)
    else:
        return None if _same(given, accepted) else f"{where}: {given!r} became {accepted!r}"[:200]
    return next((fault for fault in faults if fault), None)


def _same(given: Any, accepted: Any) -> bool:
    if isinstance(accepted, bool) or accepted is None or isinstance(given, bool):
        return given is accepted
    if isinstance(accepted, int | float):
        if isinstance(accepted, int) and abs(accepted) >= 2**63:
            return False
        if isinstance(given, str):
            text = given.strip().replace("_", "")  # pydantic reads 1_000 as Python does
            if not NUMBER.fullmatch(text):
                return False
            given = int(text) if text.lstrip("-").isdigit() else float(text)
        return math.isfinite(accepted) and type(accepted)(given) == accepted
    printable = isinstance(accepted, str) and not re.search(r"[\x00-\x1f\x7f]", accepted)
    return bool(given == accepted and printable)


def _table(path: Path, found: Any, key: tuple[str, ...]) -> str | None:
    """Check that cells are the file's, numbers plain and finite, and keys unique."""
    text = path.read_bytes().decode()
    if not text.endswith("\n"):
        return "cut off inside its last line"
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    if header != list(found.columns) or len(rows) != len(found):
        return "other columns or rows than the file's"
    for place, name in enumerate(header):
        for row, value in zip(rows, found[name], strict=True):
            cell = row[place]
            if isinstance(value, str):
                right = value == cell and value.isprintable() and value != ""
            elif cell == "":
                right = math.isnan(value) and name in ("low", "high", "deviation")
            else:
                right = NUMBER.fullmatch(cell) is not None and _in_bounds(name, cell, value)
            if not right:
                return f"column {name}: {cell!r} became {value!r}"[:200]
    keys = [tuple(row[header.index(name)] for name in key) for row in rows]
    return "a row is there twice" if len(set(keys)) < len(keys) else None


def _in_bounds(name: str, cell: str, value: Any) -> bool:
    exact = cell == str(value) if isinstance(value, int) and len(cell) > 15 else True
    if not (math.isfinite(value) and float(cell) == value and exact):
        return False
    if name in ("seed", "step", "episode", "deviation"):
        return bool(value >= 0)
    if name in ("length", "episodes", "runs", "tasks"):
        return bool(value >= 1)
    return name != "success" or bool(0 <= value <= 1)


def evaluation_table(path: Path, found: Any, whole: bool) -> str | None:
    """Check that each episode occurs once, and that its success is 0 or 1."""
    if (
        not found["success"].isin((0, 1)).all()
        or not found["stage"].isin(("offline", "online")).all()
    ):
        return "success outside {0, 1}, or an unknown stage"
    return _table(path, found, ("task", "run", "sampler", "seed", "stage", "step", "episode"))


def scores_table(path: Path, found: Any, whole: bool) -> str | None:
    """Check that each evaluation occurs once."""
    return _table(path, found, ("task", "method", "sampler", "seed", "stage", "step"))


def statistics_table(path: Path, found: Any, whole: bool) -> str | None:
    """Check that each aggregate occurs once."""
    return _table(path, found, ("stage", "task", "method", "sampler", "measure"))


def manifest(path: Path, found: Any, whole: bool) -> str | None:
    """Check that the JSON is that of the file, with valid file names and checksums."""
    raw = json.loads(path.read_text())
    for one in found:
        if one != raw:
            return "not the file's content"
    for name, entry in raw["files"].items():
        if not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", name, re.ASCII):
            return f"file name {name!r}"[:200]
        if type(entry["bytes"]) is not int or entry["bytes"] < 0:
            return f"bytes {entry['bytes']!r}"[:200]
        if not isinstance(entry["sha256"], str) or not re.fullmatch(
            "[0-9a-f]{64}", entry["sha256"]
        ):
            return f"sha256 {entry['sha256']!r}"[:200]
    texts = (raw["name"], raw["source"])
    if not all(isinstance(text, str) and text.isprintable() for text in texts):
        return f"name or source {texts!r}"[:200]
    return None


def digest(path: Path, found: Any, whole: bool) -> str | None:
    """Check for 64 hexadecimal digits that are the first word of the file."""
    right = re.fullmatch("[0-9a-f]{64}", found) and path.read_text().split()[0] == found
    return None if right else f"{found!r}"[:200]
