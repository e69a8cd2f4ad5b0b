"""Name a study as a whole, and find the folder of what is made from its runs together."""

import hashlib
from pathlib import Path
from typing import Any

from fmq.base.files import matching
from fmq.config.study import Study
from fmq.pipeline.data import dataset_folder_name
from fmq.pipeline.graph import study_runs
from fmq.pipeline.identity import canonical, settings_hash, short
from fmq.pipeline.parts import measurement_parts
from fmq.pipeline.paths import run_folder


def study_sha256(study: Study) -> str:
    """Return the SHA-256 of a study's settings, by which tables and captions name them."""
    return hashlib.sha256(canonical(study.shaping()).encode()).hexdigest()


def study_identity(study: Study, results: Path) -> str:
    """Return a hash of a study's settings and of the identities of its runs and data sets.

    With `allow_missing`, it also depends on the evaluations that exist, because tables of an
    unfinished study contain only those.
    """
    runs = study_runs(study)
    of: dict[str, Any] = {
        "settings": study.shaping(),
        "datasets": [dataset_folder_name(study, name) for name in study.dataset_names()],
        "runs": [run.identity for run in runs],
    }
    if study.allow_missing:
        folders = [run_folder(run, results) for run in runs]
        # Names that begin with a dot are files that are being written.
        files = [path for one in folders for path in matching(one, "[!.]*.csv")]
        files += [folder / "settings.json" for folder in folders]
        files += [path for part in measurement_parts(study, results) for path in part.outputs]
        of["there"] = [str(path.relative_to(results)) for path in files if path.exists()]
    return settings_hash(of)


def study_folder(study: Study, results: Path) -> Path:
    """Return the folder of everything that is derived from a study's runs together."""
    return results / "studies" / f"{study.name}-{short(study_identity(study, results))}"
