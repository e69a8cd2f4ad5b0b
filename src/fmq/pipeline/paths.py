"""Paths under the results folder; folder names end in the identity of their content.

The folders are ``datasets/NAME-IDENTITY/``, ``runs/TASK/seedN/RUN-IDENTITY/`` and
``studies/NAME-IDENTITY/``. Copies of the tables and figures of the latest study lie beside them.
"""

from collections.abc import Sequence
from pathlib import Path

from fmq.config.study import Study
from fmq.pipeline.data import dataset_folder_name
from fmq.pipeline.diagnosis import diagnosis_folder_name
from fmq.pipeline.evaluations import evaluation_name
from fmq.pipeline.identity import settings_hash, short
from fmq.pipeline.runs import CHECKPOINT, Run, make_run
from fmq.pipeline.theory import theory_folder_name
from fmq.pipeline.variants import inference_rows

MANIFEST = "manifest.json"


def settings_file(results: Path) -> Path:
    """Return the path of the latest study's checked settings."""
    return results / "settings.json"


def dataset_folder(study: Study, dataset: str, results: Path) -> Path:
    """Return the folder that holds a data set and its manifest."""
    return results / "datasets" / dataset_folder_name(study, dataset)


def manifest_file(study: Study, dataset: str, results: Path) -> Path:
    """Return the path of a data set's manifest, which records its origin."""
    return dataset_folder(study, dataset, results) / MANIFEST


def data_folder(run: Run, results: Path) -> Path:
    """Return the folder of the data set that a run learns from."""
    return dataset_folder(run.study, run.task.dataset, results)


def run_folder(run: Run, results: Path) -> Path:
    """Return the folder of one run."""
    return _seed_folder(run.task.name, run.seed, results) / run.folder


def _seed_folder(task: str, seed: int, results: Path) -> Path:
    """Return the folder of a task's runs of one seed, and of what was measured on them."""
    return results / "runs" / task / f"seed{seed}"


def checkpoint_file(run: Run, results: Path) -> Path:
    """Return the path of a run's final checkpoint."""
    return run_folder(run, results) / CHECKPOINT


def evaluation_file(run: Run, sampler: str, results: Path) -> Path:
    """Return the path of the episodes of a run's last checkpoint with a sampler.

    A JSON record of the evaluation lies beside it.
    """
    return run_folder(run, results) / evaluation_name(run, sampler)


def scratch_folder(run: Run, results: Path) -> Path:
    """Return the folder that holds a run's lock and, until it is done, its progress."""
    return results / "scratch" / run.task.name / f"seed{run.seed}" / run.folder


def progress_folder(runs: Sequence[Run], results: Path) -> Path:
    """Return the folder of the progress of runs that one process trains, by ascending seeds."""
    return scratch_folder(runs[0], results) / "progress"


def theory_folder(study: Study, task: str, seed: int, results: Path) -> Path:
    """Return the folder of the measurements of `fmq theory` for one task and seed."""
    return _seed_folder(task, seed, results) / theory_folder_name(study, task, seed)


def diagnosis_folder(study: Study, task: str, seed: int, results: Path) -> Path:
    """Return the folder of the measurements of `fmq diagnose` for one task and seed."""
    return _seed_folder(task, seed, results) / diagnosis_folder_name(study, task, seed)


def costs_file(study: Study, task: str, results: Path) -> Path:
    """Return the path of the measurements of `fmq inference`, on the study's first seed."""
    seed = study.seeds[0]
    rows = sorted(inference_rows(study))  # Snakemake puts variants of overlays before ours
    policies = [(make_run(study, task, seed, name), sampler) for name, sampler in rows]
    of = {
        "policies": [
            (run.name, run.identity, name, run.sampler_named(name).model_dump())
            for run, name in policies
        ],
        "measured": (study.threads, study.device),
    }
    name = f"costs-{short(settings_hash(of))}.csv"
    return _seed_folder(task, seed, results) / name
