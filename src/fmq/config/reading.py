"""Read and check a study's configuration; the first error is reported on one line."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import yaml
from pydantic import ValidationError

from fmq.base.errors import UserError
from fmq.base.messages import one_line
from fmq.config.datasets import refuse_missing_files
from fmq.config.imported import refuse_missing_imports
from fmq.config.section import describe, overlaid
from fmq.config.study import Study

_TYPES = ("null", "bool", "int", "float", "str", "seq", "map")
"""The YAML types that settings may have."""

_LONGEST = 200_000
"""Maximum size of a settings file in bytes; a megabyte of YAML takes seconds to read."""


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
    """Raise `UserError` unless the study's local data files and imported policies exist.

    With `allow_missing`, policies may be missing.
    """
    refuse_missing_files({name: study.datasets[name] for name in study.dataset_names()})
    if not study.allow_missing:
        refuse_missing_imports(study.compared_imports, study.tasks, study.seeds)


def load_study(path: Path, *overlays: Path) -> Study:
    """Read settings from a YAML or JSON file and lay overlays over it, as Snakemake does."""
    values = _read_mapping(path)
    for overlay in overlays:
        values = overlaid(values, _read_mapping(overlay))
    required = {name for name, field in Study.model_fields.items() if field.is_required()}
    if not overlays and len(required & values.keys()) < len(required) / 2:
        raise UserError(
            f"{path}: has only some settings of a study; name the file that it overlays first: "
            f"config.yaml {path}"
        )
    return study_from_dict(values, ", ".join(map(str, (path, *overlays))))


class _Loader(yaml.SafeLoader):
    """A YAML loader that refuses what settings do not need.

    A few lines of aliases can expand to more values than fit in memory, and a duplicate key would
    silently replace the first value. Dates, sets and bytes are not settings.
    """

    yaml_constructors: ClassVar = {
        tag: construct
        for tag, construct in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.rpartition(":")[2] in _TYPES
    }

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(
                problem="aliases (*name) are not allowed; repeat the value", problem_mark=mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        values = super().construct_mapping(node, deep)
        if len(values) < len(node.value):
            keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
            twice = next((key for key, count in keys.items() if count > 1), "a key")
            raise yaml.MarkedYAMLError(
                problem=f"{twice} is given twice; keep one", problem_mark=node.start_mark
            )
        return values


def _yaml_fault(error: Exception) -> str:
    """Return the reason on one line, with the line number in the file if it is known.

    Malformed numbers such as ``0x_`` raise errors other than YAML's.
    """
    if isinstance(error, yaml.MarkedYAMLError) and error.problem and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {one_line(error.problem)}"
    return one_line((str(error).splitlines() or [type(error).__name__])[0])


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LONGEST:
            raise UserError(f"{path}: too large for settings; at most {_LONGEST:,} bytes")
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise UserError(f"{path}: no such settings file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except RecursionError:
        raise UserError(
            f"{path}: nested too deeply; settings are mappings of a few levels"
        ) from None
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:
        raise UserError(f"{path}: not YAML: {_yaml_fault(error)}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected a mapping of settings, found {type(values).__name__}")
    return values


def schema_text() -> str:
    """Return the JSON schema of the settings, as in `workflow/schemas/config.schema.json`."""
    return json.dumps(Study.model_json_schema(), indent=2) + "\n"
