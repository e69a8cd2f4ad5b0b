"""Collect the provenance of an output, describe it in words, and check that of an input.

The provenance of a table is recorded beside it, in NAME.csv-metadata.json (`inputs.csvw`): numbers
from other settings could not be recognized by their values.
"""

import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fmq.base.errors import UserError
from fmq.base.provenance import code_commit, package_versions
from fmq.config.study import Study
from fmq.data.manifest import read_manifest
from fmq.pipeline.studies import study_sha256

PACKAGES = (
    *("fmq", "torch", "numpy", "pandas", "scipy", "mujoco"),
    *("gymnasium", "ogbench", "robosuite", "rliable", "matplotlib", "seaborn"),
)


def collect_provenance(study: Study, datasets: Sequence[Path]) -> dict[str, Any]:
    """Collect what an output of `study` depends on; the same inputs give the same result.

    Args:
        datasets: manifest.json of every data set of the study; with the study's `allow_missing`,
            some may not exist yet.

    Returns:
        JSON-ready: ``study`` (name, sha256 of the settings), ``commit`` (see `code_commit`),
        ``imported`` (label of each method that is not trained here, and the name of its first
        file), ``datasets`` (name, source, sha256 of the files), ``versions`` and ``python``.

    Raises:
        UserError: a manifest is missing or malformed.
    """
    return {
        "study": {"name": study.name, "sha256": study_sha256(study)},
        "commit": code_commit(),
        "imported": {
            row.label: row.file_name(study.tasks[0], study.seeds[0])
            for row in study.compared_imports.values()
        },
        "datasets": [_dataset(path) for path in present_manifests(study, datasets)],
        "versions": package_versions(PACKAGES),
        "python": platform.python_version(),
    }


def present_manifests(study: Study, paths: Sequence[Path]) -> list[Path]:
    """Return `paths` or, for a study that may be unfinished, those of them that exist."""
    return [path for path in paths if path.exists() or not study.allow_missing]


def _dataset(path: Path) -> dict[str, Any]:
    """Read name, source and checksums from a data set's manifest."""
    manifest = read_manifest(path.parent)
    return {
        "name": str(manifest["name"]),
        "source": " ".join(str(manifest["source"]).split()),
        "sha256": {name: entry["sha256"] for name, entry in sorted(manifest["files"].items())},
    }


def study_sentence(provenance: Mapping[str, Any]) -> str:
    """Describe study, settings and code in one sentence, with hashes cut to 12 digits."""
    study = provenance["study"]
    code = f"analysed with fmq {provenance['versions'].get('fmq', 'not installed')}"
    told = commit_words(provenance["commit"])
    return f"Study {study['name']} (settings {study['sha256'][:12]}), {code} {told}."


def commit_words(commit: Mapping[str, Any] | None) -> str:
    """Name the commit of the code, or say why it is unknown; None is of results of old versions."""
    if commit is None or "unknown" in commit:
        return f"at an unknown commit ({(commit or {}).get('unknown', 'not recorded')})"
    changed = " with uncommitted changes" if commit["dirty"] else ""
    return f"at commit {commit['sha1'][:12]}{changed}"


def data_sentence(provenance: Mapping[str, Any]) -> str:
    """Name the data sets and where they come from, grouped by source."""
    names: dict[str, list[str]] = {}
    for dataset in provenance["datasets"]:
        names.setdefault(dataset["source"].rstrip("."), []).append(dataset["name"])
    told = "; ".join(f"{', '.join(group)}: {source}" for source, group in names.items())
    return f"Data: {told}." if told else "Data: no manifest given."


def _imported_sentences(provenance: Mapping[str, Any]) -> list[str]:
    """Return a sentence on each method that is not trained here."""
    return [
        f"{label}: not trained here but read from others' files such as {file}; without offline "
        "scores and learning curves."
        for label, file in provenance["imported"].items()
    ]


def source_sentences(provenance: Mapping[str, Any]) -> str:
    """Describe imports, data, study and code, as the end of a caption or footnote."""
    told = (data_sentence(provenance), study_sentence(provenance))
    return " ".join([*_imported_sentences(provenance), *told])


def provenance_lines(provenance: Mapping[str, Any]) -> list[str]:
    """Format the whole provenance as lines of text, for comments and footers."""
    files = [
        f"sha256 {digest} {dataset['name']}/{name}"
        for dataset in provenance["datasets"]
        for name, digest in dataset["sha256"].items()
    ]
    versions = ", ".join(f"{name} {found}" for name, found in provenance["versions"].items())
    return [
        study_sentence(provenance),
        f"Settings sha256 {provenance['study']['sha256']}.",
        data_sentence(provenance),
        *_imported_sentences(provenance),
        *files,
        f"Python {provenance['python']}; {versions}.",
    ]


def recorded_notes(study: Study, path: Path, command: str) -> dict[str, Any]:
    """Return the provenance in the metadata beside a table that `command` wrote.

    Raises:
        UserError: the table was made with other settings, or the metadata do not record them.
    """
    metadata = path.with_name(f"{path.name}-metadata.json")
    try:
        (notes,) = json.loads(metadata.read_text(encoding="utf-8"))["notes"]
        found, wanted = notes["study"]["sha256"][:12], study_sha256(study)[:12]
    except (OSError, ValueError, KeyError, TypeError):
        told = f"has no record of the table's settings; run `{command}` again"
        raise UserError(f"{metadata}: {told}") from None
    if notes["study"]["sha256"] != study_sha256(study):
        told = f"made with other settings ({found}, not {wanted})"
        raise UserError(f"{path}: {told}; run `{command}` again")
    return dict(notes)
