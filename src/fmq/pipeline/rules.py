"""Functions for the Snakefile: the checked study, targets, wildcard patterns and job resources.

The module imports nothing heavier than the settings, so that a dry run does not load torch.
"""

import re
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from fmq.base.errors import UserError
from fmq.base.files import write_json
from fmq.base.locks import own
from fmq.config.datasets import FileData, expected_rows, is_generated
from fmq.config.methods import PRETRAININGS
from fmq.config.reading import refuse_missing, study_from_dict
from fmq.config.study import Study
from fmq.pipeline.data import link_file
from fmq.pipeline.paths import (
    addressed,
    costs_file,
    dataset_folder,
    evaluation_file,
    manifest_file,
    run_folder,
    settings_file,
    study_folder,
    theory_folder,
)
from fmq.pipeline.runs import DISTILLATIONS, make_run
from fmq.pipeline.shown import hide_others
from fmq.pipeline.variants import ablation_rows, flow_map_methods, inference_rows

RESULTS = Path("results")
GENERATOR_THREADS = 8

TABLE_PAGES = ("tables-main", "tables-length", "tables-comparisons")
PAGES = (
    *TABLE_PAGES,
    *("convergence-steps", "convergence-seconds", "trust_region-trust_region"),
    *("inference-inference", "ablations-offline", "ablations-training", "ablations-sampling"),
    *("theory-optimum", "theory-first_order", "theory-map", "theory-improvement"),
)
"""Every table that the report can show, as FOLDER-NAME."""

_owned = ExitStack()
"""Locks held until the process exits, because `onstart` has no enclosing `with` block."""


def read_config(config: dict[str, Any]) -> Study:
    """Check the configuration that Snakemake merged from its files and its command line.

    Raises:
        UserError: a setting is wrong, or a file that it names is missing.
    """
    study = study_from_dict(config, "configuration")
    refuse_missing(study)
    return study


def begin(study: Study) -> None:
    """Lock the results folder until Snakemake ends, and write the settings that its jobs read.

    Copies of another study's tables and figures are deleted, even if this study fails later.
    Unlike Snakemake's own lock, this lock does not outlive a killed process.

    Raises:
        UserError: another Snakemake process uses the folder.
    """
    _owned.enter_context(own(RESULTS / "lock", "results folder"))
    hide_others(study, RESULTS)
    _mend_links(study)
    write_json(settings_file(RESULTS), study.model_dump())
    write_json(study_folder(study, RESULTS) / "settings.json", study.model_dump())


def _mend_links(study: Study) -> None:
    """Update the links of local data files to their current locations."""
    for name in study.dataset_names():
        settings = study.datasets[name]
        folder = dataset_folder(study, name, RESULTS)
        if isinstance(settings, FileData) and (folder / "manifest.json").exists():
            link_file(name, settings, folder)


def scored_runs(study: Study) -> dict[str, list[str]]:
    """Return every run in the scores, with the samplers of its last checkpoint's evaluations."""
    runs: dict[str, list[str]] = {}
    for method in study.methods:
        for name in filter(None, (study.offline_run(method), f"finetune-{method}")):
            samplers = runs.setdefault(name, [])
            samplers += [s for s in study.samplers_of(method) if s not in samplers]
    return runs


def evaluation_files(study: Study) -> list[str]:
    """Return all evaluation files behind the scores, with their records.

    With `allow_missing`, only existing files are returned, and nothing is run for the others.
    """
    files = []
    for task in study.tasks:
        for seed in study.seeds:
            for name, samplers in scored_runs(study).items():
                run = make_run(study, task, seed, name)
                files.append(run_folder(run, RESULTS) / "evaluations.csv")
                for sampler in samplers:
                    file = evaluation_file(run, sampler, RESULTS)
                    files += [file, file.with_suffix(".json")]
    # Request the record of existing episodes even if it is missing: it is made then, and episodes
    # without a record would be refused.
    there = (file for file in files if file.with_suffix(".csv").exists())
    return [str(file) for file in (there if study.allow_missing else files)]


def ablation_files(study: Study) -> list[str]:
    """Return all evaluation files behind the ablations, with their records.

    With `allow_missing`, only existing files are returned.
    """
    try:
        rows = ablation_rows(study)
    except UserError:
        return []  # the study lacks FMQ; the command reports it
    return _last_evaluations(study, [(row.run, row.sampler) for row in rows])


def inference_files(study: Study) -> list[str]:
    """Return the files with each task's inference costs, and the evaluations of their samplers."""
    costs = [costs_file(study, task, RESULTS) for task in study.tasks]
    there = [str(path) for path in costs if not study.allow_missing or path.exists()]
    return there + _last_evaluations(study, inference_rows(study))


def _last_evaluations(study: Study, rows: Iterable[tuple[str, str]]) -> list[str]:
    """Return the episodes and the records of each (run, sampler), task and seed."""
    runs = [
        (make_run(study, task, study.seeds[0], run), sampler)
        for run, sampler in dict.fromkeys(rows)
        for task in study.tasks
    ]
    files = [
        evaluation_file(replace(run, seed=seed), sampler, RESULTS)
        for run, sampler in runs
        for seed in study.seeds
    ]
    there = [file for file in files if not study.allow_missing or file.exists()]
    return [str(path) for file in there for path in (file, file.with_suffix(".json"))]


def identities(study: Study) -> list[str]:
    """Return every identity in the path of one of the study's data sets, runs or measurements.

    With a looser pattern, a path of another study would be a job of this one, which would delete
    what is there before it makes its own.
    """
    names = (path.name.removesuffix(".csv") for path in addressed(study, RESULTS))
    return sorted({name.rpartition("-")[2] for name in names})


def method_pattern(study: Study) -> str:
    """Return a regular expression that matches the methods and their variants.

    With a looser pattern, the name of a variant could be parsed in two ways.
    """
    return "|".join(map(re.escape, (*study.known_methods, *study.ablations.methods)))


def trained_pattern(study: Study) -> str:
    """Return a regular expression that matches the methods trained here and their variants."""
    return "|".join(
        re.escape(name)
        for name in (*study.known_methods, *study.ablations.methods)
        if study.method(name).trained
    )


def imported_pattern(study: Study) -> str:
    """Return a regular expression that matches the imported methods; without any, nothing."""
    return "|".join(map(re.escape, study.imported)) or "(?!)"


def sampler_pattern(study: Study) -> str:
    """Return a regular expression that matches the samplers and their variants."""
    return "|".join(map(re.escape, (*study.sampler_labels, *study.ablations.samplers)))


def run_pattern(study: Study) -> str:
    """Return a regular expression that matches the runs."""
    pretrainings, kinds = "|".join(PRETRAININGS), "|".join(DISTILLATIONS)
    return f"pretrain-({pretrainings})|distill-({kinds})|finetune-({method_pattern(study)})"


def metrics_files(study: Study) -> list[str]:
    """Return the metrics.csv files of the fine-tuned flow maps.

    With `allow_missing`, only existing files are returned.
    """
    files = [
        run_folder(make_run(study, task, seed, f"finetune-{method}"), RESULTS) / "metrics.csv"
        for task in study.tasks
        for seed in study.seeds
        for method in flow_map_methods(study)
    ]
    return [str(file) for file in files if not study.allow_missing or file.exists()]


def theory_files(study: Study) -> list[str]:
    """Return the record that `fmq theory` writes for each task and seed.

    The list is empty without FMQ or a trust region; the command reports that. With
    `allow_missing`, only existing records are returned.
    """
    if "fmq" not in study.methods or study.fmq.eta == 0:
        return []
    records = [
        theory_folder(study, task, seed, RESULTS) / "settings.json"
        for task in study.tasks
        for seed in study.seeds
    ]
    return [str(path) for path in records if not study.allow_missing or path.exists()]


def dataset_manifest(study: Study, task: str) -> str:
    """Return the manifest of a task's data set, the last file that `rule dataset` writes."""
    return str(manifest_file(study, study.task(task).dataset, RESULTS))


def dataset_manifests(study: Study) -> list[str]:
    """Return the manifests of all data sets of the study."""
    return [str(manifest_file(study, name, RESULTS)) for name in study.dataset_names()]


def checkpoints(study: Study, task: str, seed: str | int, runs: Iterable[str]) -> list[str]:
    """Return the final checkpoints of runs of one task and seed."""
    made = (make_run(study, task, int(seed), name) for name in runs)
    return [str(run_folder(run, RESULTS) / "checkpoint.pt") for run in made]


def finetuned(study: Study) -> list[str]:
    """Return the names of the runs whose final policies are compared."""
    return [f"finetune-{method}" for method in study.methods]


def dataset_inputs(study: Study, dataset: str) -> list[str]:
    """Return the local file of a data set, in a list that is empty for other sources."""
    settings = study.datasets[dataset]
    return [str(settings.file)] if isinstance(settings, FileData) else []


def imported_file(study: Study, task: str, seed: str, method: str) -> str:
    """Return the file that an imported method's run is read from."""
    return str(study.imported[method].file(task, int(seed)))


def dataset_threads(study: Study, dataset: str) -> int:
    """Return the cores for making a data set; a download or a local file takes one."""
    return GENERATOR_THREADS if is_generated(study.datasets[dataset]) else 1


def job_threads(study: Study) -> int:
    """Return the cores of a training or evaluation job, whose policy and simulators alternate."""
    return max(study.threads, study.evaluation.workers)


def gpus(study: Study) -> int:
    """Return the number of GPUs of a training job, for `--resources gpu=N` and clusters."""
    return 0 if study.device == "cpu" else 1


def memory_mb(study: Study, task: str, seeds: int = 1) -> int:
    """Return the memory of a training or evaluation job in MB, from `benchmarks/memory.py`.

    The measurements are:

    - 0.7 GB for a process with torch and its networks;
    - 0.18 GB for a simulator of OGBench's manipulation suite, which loads meshes, and 0.13 GB for a
      robosuite simulator (measured while generating data);
    - briefly, 1.3 kB per row for the data and its copy in the buffer;
    - up to 0.45 GB for each evaluation process, in addition to its simulators;
    - for each further seed trained in the same process: a simulator, 0.1 GB of networks, and a copy
      of the data in a buffer, up to 0.4 kB per row (humanoid).
    """
    dataset = study.task(task).dataset
    rows = max(expected_rows(dataset, study.datasets[dataset]), study.online.capacity)
    simulators = study.evaluation.simulators + 1
    workers = study.evaluation.workers if study.evaluation.workers > 1 else 0
    further = (seeds - 1) * (500 + 400 * rows // 1_000_000)
    return 1000 + 200 * simulators + 450 * workers + 1500 * rows // 1_000_000 + further
