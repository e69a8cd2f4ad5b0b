"""Paths under the results folder; folder names end in the identity of their content.

The folders are ``datasets/NAME-IDENTITY/``, ``runs/TASK/seedN/RUN-IDENTITY/`` and
``studies/NAME-IDENTITY/``. Copies of the tables and figures of the latest study lie beside them.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from fmq.config.study import Study
from fmq.pipeline.data import dataset_folder_name
from fmq.pipeline.identity import canonical, settings_hash, short
from fmq.pipeline.runs import DISTILLATIONS, Run, evaluation_name, make_run
from fmq.pipeline.theory import FINETUNED, theory_folder_name
from fmq.pipeline.variants import inference_rows


def settings_file(results: Path) -> Path:
    """Return the path of the latest study's checked settings."""
    return results / "settings.json"


def dataset_folder(study: Study, dataset: str, results: Path) -> Path:
    """Return the folder that holds a data set and its manifest."""
    return results / "datasets" / dataset_folder_name(study, dataset)


def manifest_file(study: Study, dataset: str, results: Path) -> Path:
    """Return the path of a data set's manifest, which records its origin."""
    return dataset_folder(study, dataset, results) / "manifest.json"


def data_folder(run: Run, results: Path) -> Path:
    """Return the folder of the data set that a run learns from."""
    return dataset_folder(run.study, run.task.dataset, results)


def run_folder(run: Run, results: Path) -> Path:
    """Return the folder of one run."""
    return results / "runs" / run.task.name / f"seed{run.seed}" / run.folder


def evaluation_file(run: Run, sampler: str, results: Path) -> Path:
    """Return the path of the episodes of a run's last checkpoint with a sampler.

    A JSON record of the evaluation lies beside it.
    """
    return run_folder(run, results) / evaluation_name(run, sampler)


def scratch_folder(run: Run, results: Path) -> Path:
    """Return the folder that holds a run's lock and, until it is done, its progress."""
    return results / "scratch" / run.task.name / f"seed{run.seed}" / run.folder


def theory_folder(study: Study, task: str, seed: int, results: Path) -> Path:
    """Return the folder of the measurements of `fmq theory` for one task and seed."""
    seed_folder = results / "runs" / task / f"seed{seed}"
    return seed_folder / theory_folder_name(study, task, seed)


def costs_file(study: Study, task: str, results: Path) -> Path:
    """Return the path of the measurements of `fmq inference`, on the study's first seed."""
    seed = study.seeds[0]
    policies = [
        (make_run(study, task, seed, name), sampler) for name, sampler in inference_rows(study)
    ]
    of = {
        "policies": [
            (run.name, run.identity, name, run.sampler_named(name).model_dump())
            for run, name in policies
        ],
        "measured": (study.threads, study.device),
    }
    name = f"costs-{short(settings_hash(of))}.csv"
    return results / "runs" / task / f"seed{seed}" / name


def study_folder(study: Study, results: Path) -> Path:
    """Return the folder of everything that is derived from a study's runs together."""
    return results / "studies" / f"{study.name}-{short(study_identity(study, results))}"


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
        folders += [one for run in runs for one in _measurements(run, results)]
        # Names that begin with a dot are files that are being written.
        files = [path for one in folders for path in sorted(one.glob("[!.]*.csv"))]
        files += [folder / "settings.json" for folder in folders]
        files += [costs_file(study, task, results) for task in study.tasks]
        of["there"] = [str(path.relative_to(results)) for path in files if path.exists()]
    return settings_hash(of)


def _measurements(run: Run, results: Path) -> list[Path]:
    """Return the folder of the measurements of `fmq theory` if `run` is the one they are about."""
    if run.name != FINETUNED or run.study.fmq.eta == 0:
        return []
    return [theory_folder(run.study, run.task.name, run.seed, results)]


def study_sha256(study: Study) -> str:
    """Return the SHA-256 of a study's settings, by which tables and captions name them."""
    return hashlib.sha256(canonical(study.shaping()).encode()).hexdigest()


def study_runs(study: Study) -> list[Run]:
    """Return every run that a study can need, including those of ablations and theory."""
    methods = (*study.methods, *study.ablations.methods)
    offline = filter(None, (study.offline_run(method) for method in study.methods))
    distilled = (f"distill-{kind}" for kind in DISTILLATIONS)
    names = dict.fromkeys([*offline, *distilled, *(f"finetune-{method}" for method in methods)])
    runs = (make_run(study, task, study.seeds[0], name) for task in study.tasks for name in names)
    return [replace(run, seed=seed) for run in runs for seed in study.seeds]


def addressed(study: Study, results: Path) -> Iterator[Path]:
    """Yield every path that a study's data sets, runs and measurements have by their identities."""
    for name in study.dataset_names():
        yield dataset_folder(study, name, results)
    for run in study_runs(study):
        yield from (run_folder(one, results) for one in lineage(run))
        yield from _measurements(run, results)
    for task in study.tasks:
        yield costs_file(study, task, results)


def lineage(run: Run) -> list[Run]:
    """Return a run and those whose checkpoints it goes back to."""
    return [run, *lineage(run.parent)] if run.parent else [run]
