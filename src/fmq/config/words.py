"""The words of a command line: overlays of config.yaml, overrides of settings, and targets.

`fmq run config/smoke.yaml fmq.eta=0.5 diagnose` has one of each. Commands that make nothing, such
as `fmq plan`, take the same words without targets.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fmq.base.errors import UserError
from fmq.config.reading import load_study, texts_in
from fmq.config.section import overlaid
from fmq.config.study import Study

CONFIG = Path("config.yaml")

OUTSIDE = "change to the top folder of a clone, or of a copy of one"
"""What to do where a command finds no study."""

_OVERRIDE = re.compile(r"([\w@.-]+)=(.*)", re.DOTALL)
_SUFFIXES = (".yaml", ".yml", ".json")
_SETTINGS_IN_RESULTS = re.compile(r"results/(studies/[^/]+/)?settings\.json")


class Words(NamedTuple):
    """What the words of a command line are: files and targets in their order.

    `given` nests the overrides by section; its values are text, as in Snakemake's ``--config``.
    """

    files: tuple[Path, ...]
    given: dict[str, Any]
    targets: tuple[str, ...]


def sort_words(words: Sequence[str], targets: bool = False) -> Words:
    """Tell overlays, overrides and targets apart.

    Args:
        words: ``KEY=VALUE`` is an override; dots in KEY lead into sections.
        targets: whether there may be targets. Overlays then end in .yaml, .yml or .json; such a
            file in results/ is a target, except for the settings of a study. Without targets,
            every word that is not an override is a file.

    Raises:
        UserError: a setting is given twice, or its value is not YAML.
    """
    pairs = [found.groups() for word in words if (found := _OVERRIDE.fullmatch(word))]
    others = [word for word in words if not _OVERRIDE.fullmatch(word)]
    if twice := [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]:
        raise UserError(f"{twice[0]}=... is given twice; keep one")
    given: dict[str, Any] = {}
    for key, text in pairs:
        given = overlaid(given, _nested(key, texts_in(text, key)))
    files = [_found(word) for word in others if not targets or _is_settings(word)]
    if files and CONFIG.exists() and files[0].exists() and files[0].samefile(CONFIG):
        del files[0]  # it is read first anyway
    made = [word for word in others if targets and not _is_settings(word)]
    return Words(tuple(files), given, tuple(made))


def study_of(words: Sequence[str]) -> Study:
    """Return the study that `config.yaml`, overlays and overrides come to; there are no targets.

    Raises:
        UserError: as `study_with`.
    """
    files, given, _ = sort_words(words)
    return study_with(files, given)


def study_with(files: Sequence[Path], given: dict[str, Any]) -> Study:
    """Lay files over the `config.yaml` of this folder, and overrides over both.

    Where there is no `config.yaml`, the first file has to have all settings.

    Raises:
        UserError: no settings are here, or one is wrong; one line names it, the reason and the
            value.
    """
    first = [CONFIG] if CONFIG.exists() else []
    if not [*first, *files]:
        raise UserError(f"{CONFIG}: no such file in {Path.cwd()}; {OUTSIDE}")
    return load_study(*first, *files, given=given)


def _nested(key: str, value: Any) -> dict[str, Any]:
    """Return the mapping ``{"a": {"b": value}}`` for the key ``a.b``."""
    first, _, rest = key.partition(".")
    return {first: _nested(rest, value) if rest else value}


def _is_settings(word: str) -> bool:
    if word.startswith("results/"):
        return bool(_SETTINGS_IN_RESULTS.fullmatch(word))
    return word.endswith(_SUFFIXES)


def _found(word: str) -> Path:
    """Return the path of an overlay, which may be in the folder config/."""
    path, shared = Path(word), Path("config", word)
    return shared if shared.exists() and not path.exists() else path
