"""Read and check a study's configuration; the first error is reported on one line."""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import yaml
from pydantic import ValidationError

from fmq.base.errors import UserError
from fmq.base.messages import one_line, shown
from fmq.config.datasets import refuse_missing_files
from fmq.config.imported import refuse_missing_imports
from fmq.config.section import describe, overlaid
from fmq.config.study import Study

_TYPES = ("null", "bool", "int", "float", "str", "seq", "map")
"""The YAML types that settings may have."""

_LONGEST = {"YAML": 200_000, "JSON": 50_000_000}
"""Maximum size of a settings file in bytes; a megabyte of YAML takes seconds to read.

The settings that jobs read are JSON, and larger than the overlays that they were made from.
"""


_MOST_VALUES = 100_000


def study_from_dict(values: dict[str, Any], source: str) -> Study:
    """Check raw settings and return the study.

    Args:
        values: settings as nested mappings.
        source: where they come from, for messages.

    Raises:
        UserError: a setting is wrong; one line names the key, the reason and the value.
    """
    try:
        return Study.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{source}: {one_line(describe(error, Study))}") from None
    except UserError as error:
        raise UserError(f"{source}: {one_line(str(error))}") from None


def refuse_missing(study: Study) -> None:
    """Raise `UserError` unless the study's data files, folder of data and imported policies exist.

    With `allow_missing`, policies may be missing.
    """
    if study.copies and not study.copies.is_dir():
        raise UserError(
            f"data_dir: no folder {shown(str(study.copies))}; name an existing one, or null"
        )
    refuse_missing_files({name: study.datasets[name] for name in study.dataset_names()})
    if not study.allow_missing:
        refuse_missing_imports(study.compared_imports, study.tasks, study.seeds)


def load_study(path: Path, *overlays: Path, given: Mapping[str, Any] | None = None) -> Study:
    """Read settings from a YAML or JSON file and lay overlays over it.

    Args:
        given: settings of a command line, laid over all files; text in it is read as in a file.

    Raises:
        UserError: a file or a setting is wrong; one line names it, the reason and the value.
    """
    values = _read_mapping(path)
    for overlay in overlays:
        values = overlaid(values, _read_mapping(overlay))
    values = overlaid(values, _typed(dict(given or {})))
    required = {name for name, field in Study.model_fields.items() if field.is_required()}
    if not overlays and len(required & values.keys()) < len(required) / 2:
        raise UserError(
            f"{path}: has only some settings of a study; name the file that it overlays first: "
            f"config.yaml {path}"
        )
    return study_from_dict(
        values, ", ".join([*map(str, (path, *overlays)), *["--config"] * bool(given)])
    )


_MALFORMED = (yaml.YAMLError, ValueError, LookupError, AttributeError)
"""What PyYAML raises at malformed text: scalars with a tag raise errors other than its own."""


def _typed(value: Any) -> Any:
    """Read text within ``--config`` as in a file: Snakemake leaves it text where it nests."""
    if isinstance(value, Mapping):
        return {key: _typed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_typed(one) for one in value]
    if isinstance(value, str):
        try:
            read = yaml.load(value, _Loader)
        except (*_MALFORMED, RecursionError):
            return value
        return value if isinstance(read, dict | list) else read
    return value


class _Loader(yaml.SafeLoader):
    """A YAML 1.2 loader (core schema) that refuses what settings do not need.

    PyYAML itself reads YAML 1.1, in which ``no`` is false, ``010`` is 8, ``1:30`` is 90 and
    ``1e-3`` is text. A few lines of aliases can stand for more values than fit in memory, and a
    duplicate key would silently replace the first value. Dates, sets and bytes are not settings.
    """

    yaml_constructors: ClassVar = {
        tag: construct
        for tag, construct in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.rpartition(":")[2] in _TYPES
    }

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None and _count_values(node, {}) > _MOST_VALUES:
            raise yaml.MarkedYAMLError(
                problem=f"aliases (*name) stand for more than {_MOST_VALUES:,} values; repeat less",
                problem_mark=node.start_mark,
            )
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        values = super().construct_mapping(node, deep)
        if len(values) < len(node.value):
            keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
            twice = next((key for key, count in keys.items() if count > 1), "a key")
            raise yaml.MarkedYAMLError(
                problem=f"{twice} is given twice; keep one", problem_mark=node.start_mark
            )
        return values


def _count_values(node: yaml.Node, counts: dict[int, float]) -> float:
    """Count the values in a node, with aliases written out; infinity if it contains itself."""
    if id(node) not in counts:
        counts[id(node)] = math.inf  # what an alias within its own anchor finds
        children = node.value if isinstance(node, yaml.CollectionNode) else ()
        flat = chain.from_iterable(children) if isinstance(node, yaml.MappingNode) else children
        counts[id(node)] = 1 + sum(_count_values(child, counts) for child in flat)
    return counts[id(node)]


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


_FRACTION = r"(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
_PLAIN = {  # https://yaml.org/spec/1.2.2/#1032-tag-resolution, in its order
    "null": ("null|Null|NULL|~|", ["n", "N", "~", ""]),
    "bool": ("true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": ("[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    "float": (
        rf"[-+]?{_FRACTION}|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
}
_Loader.yaml_implicit_resolvers = {}  # in place of YAML 1.1's
for _type, (_pattern, _first) in _PLAIN.items():
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_type}", re.compile(f"^(?:{_pattern})$"), _first
    )
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)


class _TextLoader(_Loader):
    """Reads lists and mappings, and leaves all in them text, as Snakemake's ``--config`` does."""


_TextLoader.yaml_implicit_resolvers = {}


def texts_in(text: str, key: str) -> Any:
    """Read the value of an override as Snakemake does, which drops quotes around it.

    Args:
        key: the setting's name, for messages.

    Returns:
        Text, or lists and mappings of text, as `load_study` takes them.

    Raises:
        UserError: the value is not YAML.
    """
    try:
        value = yaml.load(text.strip("'\""), _TextLoader)
        return "" if value is None else value
    except (*_MALFORMED, RecursionError) as error:
        raise UserError(f"{key}={shown(text)}: not YAML: {_yaml_fault(error)}") from None


def _yaml_fault(error: Exception) -> str:
    """Return the reason on one line, with the line number in the file if it is known.

    Malformed numbers such as ``0x_`` raise errors other than YAML's.
    """
    if isinstance(error, yaml.MarkedYAMLError) and error.problem and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {one_line(error.problem)}"
    return one_line((str(error).splitlines() or [type(error).__name__])[0])


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        _refuse_longer(path.stat().st_size, "JSON")
        values = _parsed(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such settings file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except RecursionError:
        raise UserError(
            f"{path}: nested too deeply; settings are mappings of a few levels"
        ) from None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except _MALFORMED as error:
        raise UserError(f"{path}: not YAML: {_yaml_fault(error)}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected a mapping of settings, found {type(values).__name__}")
    return values


def _parsed(text: str) -> Any:
    """Read JSON, or else YAML, as Snakemake does."""
    try:
        return json.loads(text, object_pairs_hook=_unrepeated)
    except json.JSONDecodeError:
        _refuse_longer(len(text), "YAML")
        return yaml.load(text, _Loader)


def _refuse_longer(size: int, kind: str) -> None:
    if size > _LONGEST[kind]:
        raise UserError(f"too large for settings; at most {_LONGEST[kind]:,} bytes of {kind}")


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise UserError(f"{twice} is given twice; keep one")
    return values


def schema_text() -> str:
    """Return the JSON schema of the settings, as in `workflow/schemas/config.schema.json`."""
    return json.dumps(Study.model_json_schema(), indent=2) + "\n"
