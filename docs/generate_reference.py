"""Generate the reference of settings and commands from the code, as Markdown.

`conf.py` appends it to the pages `settings.md` and `commands.md`. This module reads the JSON schema
of the settings and the parameters of the `fmq` command, and imports no torch.
"""

import json
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import typer
import yaml

from fmq.cli import app
from fmq.config.methods import METHODS
from fmq.config.samplers import SAMPLERS
from fmq.config.study import Study

CONFIG = Path(__file__).parents[1] / "config.yaml"
NONE = "–"
BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
    "multipleOf": "a multiple of",
}
TYPES = {
    "boolean": "`true` or `false`",
    "object": "mapping",
    "null": "`null`",
    "array": "list",
    "string": "text",
}
WORDS = {int: "integer", float: "number", str: "text", Path: "path", bool: "switch"}
NAMES = {"methods": METHODS, "samplers": SAMPLERS}
"""Top-level lists whose entries are rows of a table in the code."""


def settings_reference() -> str:
    """Return a section with a table per group of settings, in the order of `config.yaml`."""
    schema = Study.model_json_schema()
    shown = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    parts = []
    for title, model, values in _sections(schema, shown):
        intro = model["description"].replace("\n", " ")
        rows = []
        for name, field in model["properties"].items():
            found = _definition(schema, field) | field if "$ref" in field else field
            rows.append(_setting_row(name, found, values))
        head = ("setting", "type and bounds", "config.yaml", "description")
        parts += [f"## {title}", intro, table(head, rows)]
    names = [f"`{key}`: {', '.join(map(code, rows))}." for key, rows in NAMES.items()]
    return "\n\n".join([*parts, "## Names", *names]) + "\n"


def _sections(schema: dict[str, Any], shown: dict[str, Any]) -> Iterator[tuple[str, dict, dict]]:
    """Yield title, schema and `config.yaml` values of each group, the top-level keys first."""
    yield "Top level", schema, shown
    for key, field in schema["properties"].items():
        entries = field.get("additionalProperties")
        if "$ref" in field:
            yield f"`{key}`", _definition(schema, field), shown[key]
        elif isinstance(entries, dict) and "$ref" in entries:
            first = next(iter(shown.get(key, {}).values()), {})
            yield f"`{key}.NAME`", _definition(schema, entries), first
        elif isinstance(entries, dict) and "oneOf" in entries:
            for one in entries["oneOf"]:
                model = _definition(schema, one)
                kind = model["properties"]["source"]["const"]
                found = [entry for entry in shown[key].values() if entry["source"] == kind]
                yield f"`{key}.NAME`, {kind}", model, found[0] if found else {}


def _definition(schema: dict[str, Any], field: dict[str, Any]) -> dict[str, Any]:
    return schema["$defs"][field["$ref"].rpartition("/")[2]]


def _setting_row(name: str, field: dict[str, Any], values: dict[str, Any]) -> list[str]:
    value = values.get(name, NONE)
    if isinstance(value, dict) and value:
        value = "see there"  # a group of its own, or a list of variants
    elif name in values:
        value = code(json.dumps(value))
    kind = "section" if "$ref" in field else _kind(field)
    if "default" in field:
        kind += f"; {code(json.dumps(field['default']))} if left out"
    return [code(name), kind, value, field.get("description", "")]


def _kind(field: dict[str, Any]) -> str:
    """Describe a setting's type and bounds in words."""
    if "anyOf" in field:
        return " or ".join(_kind(one) for one in field["anyOf"])
    if "enum" in field or "const" in field:
        return ", ".join(code(json.dumps(one)) for one in field.get("enum", [field.get("const")]))
    kind = TYPES.get(field["type"], field["type"])
    told = [f"{word} {field[key]:g}" for key, word in BOUNDS.items() if key in field]
    if field["type"] == "array":
        kind = f"list of {_kind(field['items'])}"
        told += [f"{field['minItems']} or more"] if "minItems" in field else []
    if "pattern" in field:
        told.append(f"matches {code(field['pattern'])}")
    return ", ".join([kind, *told])


def commands_reference() -> str:
    """Return a section per command, in the order of `fmq --help`."""
    group = typer.main.get_command(app)
    return "\n\n".join(_command(name, one) for name, one in group.commands.items()) + "\n"


def _command(name: str, command: Any) -> str:
    hints = get_type_hints(command.callback, include_extras=True)
    usage = " ".join([f"fmq {name}", *(_usage(one) for one in command.params)])
    parts = [f"## fmq {name}", command.help, f"```text\n{usage}\n```"]
    rows = [_parameter_row(one, hints[one.name]) for one in command.params]
    if rows:
        parts.append(table(("parameter", "type", "default", "description"), rows))
    return "\n\n".join(parts)


def _usage(parameter: Any) -> str:
    word = parameter.name.upper() + ("..." if parameter.nargs == -1 else "")
    if parameter.opts[0].startswith("--"):
        word = parameter.opts[0] + ("" if parameter.is_flag else f" {word}")
    return word if parameter.required else f"[{word}]"


def _parameter_row(parameter: Any, hint: Any) -> list[str]:
    is_option = parameter.opts[0].startswith("--")
    name = parameter.opts[0] if is_option else parameter.name.upper()
    kind, *notes = get_args(hint)  # of Annotated
    least = [f"at least {note.min}" for note in notes if note.min is not None]
    default = parameter.default
    if isinstance(default, list):
        default = " ".join(map(str, default))
    if parameter.required:
        default = "required"
    elif default is None or default is False:
        default = NONE
    else:
        default = code(str(default))
    return [code(name), ", ".join([_word(kind), *least]), default, parameter.help]


def _word(kind: Any) -> str:
    """Return a parameter's type in a word."""
    if get_origin(kind) in (types.UnionType, Union):
        kind = next(one for one in get_args(kind) if one is not type(None))
    if get_origin(kind) is list:
        return f"{_word(get_args(kind)[0])}s"
    return WORDS[kind]


def code(text: str) -> str:
    """Format text as code."""
    return f"`{text}`"


def table(head: tuple[str, ...], rows: list[list[str]]) -> str:
    """Format a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines
    )
