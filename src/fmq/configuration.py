"""Reading a study's configuration: one line of error for the first thing that is wrong."""

import json
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from fmq.errors import UserError
from fmq.section import describe
from fmq.settings import Study


def study_from_dict(values: dict[str, Any], source: str) -> Study:
    """Check raw settings; a `UserError` of one line names the key, the reason and the value."""
    try:
        return Study.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{source}: {describe(error, Study)}") from None
    except UserError as error:
        raise UserError(f"{source}: {error}") from None


def load_study(path: Path, *overlays: Path) -> Study:
    """Read settings from a YAML or JSON file, and from others laid over it, as Snakemake does."""
    values = _read_mapping(path)
    for overlay in overlays:
        values = overlaid(values, _read_mapping(overlay))
    return study_from_dict(values, ", ".join(map(str, (path, *overlays))))


def overlaid(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`changes` over `values`: mappings merge key by key, everything else is replaced."""
    merged = dict(values)
    for key, change in changes.items():
        before = merged.get(key)
        if isinstance(before, dict) and isinstance(change, dict):
            change = overlaid(before, change)
        merged[key] = change
    return merged


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: no such settings file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected a mapping of settings, found {type(values).__name__}")
    return values


def schema_text() -> str:
    """JSON schema of the settings, for editors: `workflow/schemas/config.schema.json`."""
    return json.dumps(Study.model_json_schema(), indent=2) + "\n"
