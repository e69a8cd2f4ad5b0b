"""What the Snakefile asks: the checked study, its runs and evaluations, and what shapes each job.

Imports nothing heavier than the settings: a dry run loads no torch.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from fmq import paths
from fmq.configuration import study_from_dict
from fmq.datasets import expected_rows
from fmq.files import write_json
from fmq.locks import own
from fmq.runs import dataset_settings, evaluation_settings, make_run, settings_hash
from fmq.settings import Study

RESULTS = Path("results")
GENERATOR_THREADS = 8

_owned = ExitStack()
"""What this process owns until its end: `onstart` has no block to own it in."""


def read_config(config: dict[str, Any]) -> Study:
    """Check the configuration that Snakemake merged from its files and its command line."""
    return study_from_dict(config, "configuration")


def begin(study: Study) -> None:
    """Own the results folder until Snakemake ends, and write the settings that its jobs read.

    Snakemake's own lock outlives a killed process; this one does not.

    Raises:
        UserError: another Snakemake fills the folder.
    """
    _owned.enter_context(own(RESULTS / "lock", "results folder"))
    write_json(paths.settings_file(RESULTS), study.model_dump())


def scored_runs(study: Study) -> dict[str, list[str]]:
    """Every run that appears in the scores, with the samplers its last checkpoint is tried with."""
    runs: dict[str, list[str]] = {}
    for method in study.methods:
        for name in (study.offline_run(method), f"finetune-{method}"):
            samplers = runs.setdefault(name, [])
            samplers += [s for s in study.samplers_of(method) if s not in samplers]
    return runs


def evaluation_files(study: Study) -> list[str]:
    """Every file of episodes that the scores are made of, and the record beside it.

    With `allow_missing`, those alone that are there: nothing is run for the others.
    """
    files = []
    for task in study.tasks:
        for seed in study.seeds:
            for run, samplers in scored_runs(study).items():
                files.append(paths.run_folder(RESULTS, task, seed, run) / "evaluations.csv")
                for sampler in samplers:
                    file = paths.evaluation_file(RESULTS, task, seed, run, sampler)
                    files += [file, file.with_suffix(".json")]
    # Episodes without their record are there: they are refused unless it is made.
    there = (file for file in files if file.with_suffix(".csv").exists())
    return [str(file) for file in (there if study.allow_missing else files)]


def dataset_manifest(study: Study, task: str) -> str:
    """The last file that `rule dataset` writes for a task."""
    return str(paths.dataset_folder(RESULTS, study.task(task).dataset) / "manifest.json")


def offline_checkpoint(study: Study, task: str, seed: str, method: str) -> str:
    """The checkpoint that a method starts from online."""
    run = study.offline_run(method)
    return str(paths.run_folder(RESULTS, task, int(seed), run) / "checkpoint.pt")


def dataset_threads(study: Study, dataset: str) -> int:
    """Cores that making a data set may use; a download takes one."""
    return 1 if study.datasets[dataset].source == "official" else GENERATOR_THREADS


def gpus(study: Study) -> int:
    """GPUs of a training job, for `--resources gpu=N` and clusters."""
    return 0 if study.device == "cpu" else 1


def memory_mb(study: Study, task: str) -> int:
    """Memory of a training or evaluation job, in MB, as measured by `benchmarks/memory.py`.

    A process takes 0.7 GB with torch and its networks; a simulator of OGBench's manipulation
    suite, which carries meshes, 0.18; and, for a moment, the data and its copy in the buffer 1.3 kB
    per row. A robosuite simulator takes 0.13, seen while generating data.
    """
    dataset = study.task(task).dataset
    rows = max(expected_rows(dataset, study.datasets[dataset]), study.online.capacity)
    simulators = min(study.evaluation.environments, study.evaluation.episodes) + 1
    return 1000 + 200 * simulators + 1500 * rows // 1_000_000


def dataset_hash(study: Study, dataset: str) -> str:
    """Changes when the data set has to be made again."""
    return settings_hash(dataset_settings(study, dataset))


def run_hash(study: Study, task: str, seed: str, run: str) -> str:
    """Changes when the run has to be repeated."""
    return settings_hash(make_run(study, task, int(seed), run).settings())


def evaluation_hash(study: Study, task: str, seed: str, run: str, sampler: str) -> str:
    """Changes when the evaluation has to be repeated."""
    return settings_hash(evaluation_settings(make_run(study, task, int(seed), run), sampler))


def study_hash(study: Study) -> str:
    """Changes with any setting."""
    return settings_hash(study.model_dump())
