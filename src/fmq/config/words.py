"""The words of a command line: overlays of config.yaml, overrides of settings, and targets.

`fmq run smoke fmq.eta=0.5 diagnose` has one of each. Commands that make nothing, such as
`fmq plan`, take the same words without targets.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fmq.base.errors import UserError
from fmq.base.places import workflow_folder
from fmq.config.reading import load_study, texts_in
from fmq.config.section import overlaid
from fmq.config.study import Study

CONFIG = "config.yaml"

_OVERRIDE = re.compile(r"([\w@.-]+)=(.*)", re.DOTALL)
_SUFFIXES = (".yaml", ".yml", ".json")
_RULE = re.compile(r"^rule (\w+):", re.MULTILINE)
_SETTINGS_IN_RESULTS = re.compile(r"results/(studies/[^/]+/)?settings\.json")


class Words(NamedTuple):
    """What the words of a command line are: files and targets in their order.

    `given` nests the overrides by section; its values are text, as in Snakemake's ``--config``.
    """

    files: tuple[Path, ...]
    given: dict[str, Any]
    targets: tuple[str, ...]


def sort_words(words: Sequence[str], targets: bool = False, folder: Path | None = None) -> Words:
    """Tell overlays, overrides and targets apart.

    Args:
        words: ``KEY=VALUE`` is an override; dots in KEY lead into sections. An overlay's name may
            lack .yaml, unless a rule has the same name.
        targets: whether there may be targets: rules, and files in results/ except for the settings
            of a study. Without targets, every word that is not an override is a file.
        folder: the workflow's; by default `workflow_folder`.

    Raises:
        UserError: a setting is given twice, or its value is not YAML. Or a rule is named where
            there may be no targets.
    """
    folder = workflow_folder() if folder is None else folder
    pairs = [found.groups() for word in words if (found := _OVERRIDE.fullmatch(word))]
    others = [word for word in words if not _OVERRIDE.fullmatch(word)]
    if twice := [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]:
        raise UserError(f"{twice[0]}=... is given twice; keep one")
    given: dict[str, Any] = {}
    for key, text in pairs:
        value = _nested(key, texts_in(text, key))
        if common := _common(given, value):
            raise UserError(f"{common} is given twice, at last as {key}=...; keep one")
        given = overlaid(given, value)
    overlays = [_overlay(word, folder, targets) for word in others]
    files = [file for file in overlays if file]
    config = folder / CONFIG
    if files and config.exists() and files[0].exists() and files[0].samefile(config):
        del files[0]  # it is read first anyway
    made = [word for word, file in zip(others, overlays, strict=True) if not file]
    return Words(tuple(files), given, tuple(made))


def study_of(words: Sequence[str]) -> Study:
    """Return the study that `config.yaml`, overlays and overrides come to; there are no targets.

    Raises:
        UserError: as `sort_words` and `study_with`.
    """
    files, given, _ = sort_words(words)
    return study_with(files, given)


def study_with(files: Sequence[Path], given: dict[str, Any], folder: Path | None = None) -> Study:
    """Lay files over the `config.yaml` of the workflow's folder, and overrides over both.

    Raises:
        UserError: a file is missing, or a setting is wrong; one line names it, the reason and the
            value.
    """
    folder = workflow_folder() if folder is None else folder
    return load_study(folder / CONFIG, *files, given=given)


def _common(first: Any, second: Any) -> str:
    """Return the first setting, with dots, that two mappings both give; empty if none."""
    for key in first.keys() & second.keys():
        values = first[key], second[key]
        if not all(isinstance(value, dict) for value in values):
            return str(key)
        if deeper := _common(*values):
            return f"{key}.{deeper}"
    return ""


def _nested(key: str, value: Any) -> dict[str, Any]:
    """Return the mapping ``{"a": {"b": value}}`` for the key ``a.b``."""
    first, _, rest = key.partition(".")
    return {first: _nested(rest, value) if rest else value}


def _overlay(word: str, folder: Path, targets: bool) -> Path | None:
    """Return the file that a word names; None if it is a target."""
    if targets and word.startswith("results/"):
        return Path(word) if _SETTINGS_IN_RESULTS.fullmatch(word) else None
    if word.endswith(_SUFFIXES):
        return _found(word, folder)
    is_rule, named = word in _rules(folder), _found(f"{word}.yaml", folder)
    if named.exists() and not is_rule:
        return named
    if targets:
        return None
    if is_rule:
        raise UserError(f"{word}: a target, for `fmq run` alone; name an overlay with its .yaml")
    return Path(word)


def _found(name: str, folder: Path) -> Path:
    """Return the path of an overlay: from here, in config/, or in the workflow's folder."""
    places = (Path(), Path("config"), folder / "config", folder)
    return next((place / name for place in places if (place / name).exists()), Path(name))


def _rules(folder: Path) -> set[str]:
    """Return the names of the workflow's rules, which are its targets."""
    files = [folder / "Snakefile", *(folder / "workflow" / "rules").glob("*.smk")]
    texts = (file.read_text(encoding="utf-8") for file in files if file.exists())
    return {name for text in texts for name in _RULE.findall(text)}
