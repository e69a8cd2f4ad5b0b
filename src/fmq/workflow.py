"""What the Snakefile asks: the checked study, its runs and evaluations, and what shapes each job.

Imports nothing heavier than the settings: a dry run loads no torch.
"""

import re
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from fmq import paths
from fmq.configuration import refuse_missing, study_from_dict
from fmq.datasets import FileData, expected_rows, is_generated
from fmq.errors import UserError
from fmq.files import write_json
from fmq.locks import own
from fmq.methods import PRETRAININGS
from fmq.report_request import refuse_other_report
from fmq.runs import (
    DISTILLATIONS,
    dataset_settings,
    evaluation_file,
    make_run,
    settings_hash,
)
from fmq.settings import Study
from fmq.theory.runs import theory_settings
from fmq.variants import ablation_rows, flow_map_methods, inference_rows

RESULTS = Path("results")
GENERATOR_THREADS = 8

TABLE_PAGES = ("tables-main", "tables-length", "tables-comparisons")
PAGES = (
    *TABLE_PAGES,
    *("convergence-steps", "convergence-seconds", "trust_region-trust_region"),
    *("inference-inference", "ablations-offline", "ablations-training", "ablations-sampling"),
    *("theory-optimum", "theory-first_order", "theory-map", "theory-improvement"),
)
"""FOLDER-NAME of every table that the report can show."""

_owned = ExitStack()
"""What this process owns until its end: `onstart` has no block to own it in."""


def read_config(config: dict[str, Any]) -> Study:
    """Check the configuration that Snakemake merged from its files and its command line.

    Raises:
        UserError: it is wrong, a file that it names is not there, or a report is asked for whose
            results are another study's.
    """
    study = study_from_dict(config, "configuration")
    refuse_missing(study)
    refuse_other_report(study, RESULTS, sys.argv)
    return study


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
        for name in filter(None, (study.offline_run(method), f"finetune-{method}")):
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
            for name, samplers in scored_runs(study).items():
                run = make_run(study, task, seed, name)
                files.append(paths.run_folder(RESULTS, task, seed, name) / "evaluations.csv")
                for sampler in samplers:
                    file = evaluation_file(run, sampler, RESULTS)
                    files += [file, file.with_suffix(".json")]
    # Episodes without their record are there: they are refused unless it is made.
    there = (file for file in files if file.with_suffix(".csv").exists())
    return [str(file) for file in (there if study.allow_missing else files)]


def ablation_files(study: Study) -> list[str]:
    """Every file of episodes behind the ablations, and the record beside it.

    With `allow_missing`, those alone that are there.
    """
    try:
        rows = ablation_rows(study)
    except UserError:
        return []  # no FMQ in the study: the command says so
    return _last_evaluations(study, [(row.run, row.sampler) for row in rows])


def inference_files(study: Study) -> list[str]:
    """What each task's samplers cost, and what success they have."""
    costs = [
        paths.seed_folder(RESULTS, task, study.seeds[0]) / "inference.csv" for task in study.tasks
    ]
    there = [str(path) for path in costs if not study.allow_missing or path.exists()]
    return there + _last_evaluations(study, inference_rows(study))


def _last_evaluations(study: Study, rows: Iterable[tuple[str, str]]) -> list[str]:
    """Episodes of each (run, sampler), task and seed, and the records beside them."""
    files = [
        evaluation_file(make_run(study, task, seed, run), sampler, RESULTS)
        for run, sampler in dict.fromkeys(rows)
        for task in study.tasks
        for seed in study.seeds
    ]
    there = [file for file in files if not study.allow_missing or file.exists()]
    return [str(path) for file in there for path in (file, file.with_suffix(".json"))]


def method_pattern(study: Study) -> str:
    """A pattern of the methods; with a looser one a variant's name could be read two ways."""
    return "|".join(map(re.escape, (*study.known_methods, *study.ablations.methods)))


def trained_pattern(study: Study) -> str:
    """The same of the methods that are trained here."""
    return "|".join(
        re.escape(name)
        for name in (*study.known_methods, *study.ablations.methods)
        if study.method(name).trained
    )


def imported_pattern(study: Study) -> str:
    """The same of those that are not; if there are none, nothing matches."""
    return "|".join(map(re.escape, study.imported)) or "(?!)"


def sampler_pattern(study: Study) -> str:
    """The same of the samplers."""
    return "|".join(map(re.escape, (*study.sampler_labels, *study.ablations.samplers)))


def run_pattern(study: Study) -> str:
    """The same of the runs."""
    pretrainings, kinds = "|".join(PRETRAININGS), "|".join(DISTILLATIONS)
    return f"pretrain-({pretrainings})|distill-({kinds})|finetune-({method_pattern(study)})"


def metrics_files(study: Study) -> list[str]:
    """What fine-tuned flow maps note down on their way.

    With `allow_missing`, those alone that are there.
    """
    files = [
        paths.run_folder(RESULTS, task, seed, f"finetune-{method}") / "metrics.csv"
        for task in study.tasks
        for seed in study.seeds
        for method in flow_map_methods(study)
    ]
    return [str(file) for file in files if not study.allow_missing or file.exists()]


def theory_files(study: Study) -> list[str]:
    """The record that `fmq theory` leaves for each task and seed.

    Of a study without what the theory is about, none: the command says so.
    """
    if "fmq" not in study.methods or study.fmq.eta == 0:
        return []
    records = [
        paths.theory_folder(RESULTS, task, seed) / "settings.json"
        for task in study.tasks
        for seed in study.seeds
    ]
    return [str(path) for path in records if not study.allow_missing or path.exists()]


def dataset_manifest(study: Study, task: str) -> str:
    """The last file that `rule dataset` writes for a task."""
    return str(paths.dataset_folder(RESULTS, study.task(task).dataset) / "manifest.json")


def dataset_inputs(study: Study, dataset: str) -> list[str]:
    """The file that a data set is taken from: when that is newer, it is taken again."""
    settings = study.datasets[dataset]
    return [str(settings.file)] if isinstance(settings, FileData) else []


def imported_file(study: Study, task: str, seed: str, method: str) -> str:
    """The file that a run of an imported method is made of."""
    return str(study.imported[method].file(task, int(seed)))


def dataset_threads(study: Study, dataset: str) -> int:
    """Cores that making a data set may use; a download or a file takes one."""
    return GENERATOR_THREADS if is_generated(study.datasets[dataset]) else 1


def job_threads(study: Study) -> int:
    """Cores of a training or evaluation job, whose policy and simulators take turns."""
    return max(study.threads, study.evaluation.workers)


def gpus(study: Study) -> int:
    """GPUs of a training job, for `--resources gpu=N` and clusters."""
    return 0 if study.device == "cpu" else 1


def memory_mb(study: Study, task: str, seeds: int = 1) -> int:
    """Memory of a training or evaluation job, in MB, as measured by `benchmarks/memory.py`.

    A process takes 0.7 GB with torch and its networks; a simulator of OGBench's manipulation
    suite, which carries meshes, 0.18; and, for a moment, the data and its copy in the buffer 1.3 kB
    per row. A robosuite simulator takes 0.13, seen while generating data. A process of an
    evaluation's simulators takes up to 0.45 beside them. Each further seed that is trained in the
    same process has a simulator to learn from, networks, 0.1, and its copy of the data in a buffer:
    up to 0.4 kB per row, a humanoid's.
    """
    dataset = study.task(task).dataset
    rows = max(expected_rows(dataset, study.datasets[dataset]), study.online.capacity)
    simulators = study.evaluation.simulators + 1
    workers = study.evaluation.workers if study.evaluation.workers > 1 else 0
    further = (seeds - 1) * (500 + 400 * rows // 1_000_000)
    return 1000 + 200 * simulators + 450 * workers + 1500 * rows // 1_000_000 + further


def dataset_hash(study: Study, dataset: str) -> str:
    """Changes when the data set has to be made again."""
    return settings_hash(dataset_settings(study, dataset))


def run_hash(study: Study, task: str, seed: str, run: str) -> str:
    """Changes when the run has to be repeated."""
    return settings_hash(make_run(study, task, int(seed), run).settings())


def theory_hash(study: Study, task: str, seed: str) -> str:
    """Changes when the networks have to be measured again."""
    return settings_hash(theory_settings(study, task, int(seed)))


def study_hash(study: Study) -> str:
    """Changes with any setting but those that shape nothing, and with a method's file."""
    return settings_hash(study.shaping())
