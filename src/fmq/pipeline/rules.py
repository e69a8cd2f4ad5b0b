"""What the Snakefile and its rules ask: the checked study, inputs of jobs, and wildcard patterns.

With `training.stack_seeds`, one job trains or evaluates all seeds of a task. It writes the same
files as one job per seed would, except for a single log in the folder of the smallest seed. Paths
of stacked jobs have no wildcard ``{seed}``.

The module imports nothing heavier than the settings, so that a dry run does not load torch.
"""

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from itertools import takewhile
from pathlib import Path
from typing import Any

from fmq.base.errors import UserError
from fmq.base.files import write_json
from fmq.base.locks import own
from fmq.config.datasets import FileData
from fmq.config.methods import PRETRAININGS
from fmq.config.reading import load_study, refuse_missing
from fmq.config.study import Study
from fmq.pipeline.analyses import analyses, film_parts, table_pages
from fmq.pipeline.data import link_file
from fmq.pipeline.diagnosis import MEASUREMENTS as DIAGNOSIS
from fmq.pipeline.graph import RULES, all_parts
from fmq.pipeline.parts import RUN_FILES, Part
from fmq.pipeline.paths import MANIFEST, dataset_folder, settings_file
from fmq.pipeline.runs import DISTILLATIONS, stacks
from fmq.pipeline.seeds import options
from fmq.pipeline.shown import hide_others
from fmq.pipeline.studies import study_folder
from fmq.pipeline.theory import MEASUREMENTS

RESULTS = Path("results")

PAGES = (
    *("convergence-steps", "trust_region-trust_region", "inference-inference"),
    *("ablations-offline", "ablations-training", "ablations-sampling"),
    *(f"theory-{name}" for name in MEASUREMENTS),
    *(f"diagnosis-{name}" for name in DIAGNOSIS),
)
"""Every table that the report can show with further targets, as FOLDER-NAME."""

IN_RUNS = ("evaluate", "record_rollouts")
"""Rules whose outputs are in a run's folder and have an identity of their own."""
ADDRESSED = (
    *(rule for rule in RULES if rule not in IN_RUNS),
    "measure_theory",
    "measure_inference",
    "measure_diagnosis",
)
"""Rules whose outputs are, or are in, what is named by its identity."""

Graph = Mapping[str, Part]
"""Parts by their place."""

_owned = ExitStack()
"""Locks held until the process exits, because `onstart` has no enclosing `with` block."""


def read_config(workflow: Any, folder: str) -> Study:
    """Read the settings files and the ``--config`` that Snakemake was started with.

    They are read as `fmq check` reads them; Snakemake's own reader accepts repeated keys and what
    YAML 1.1 makes of ``no`` and ``010``.

    Args:
        workflow: Snakemake's workflow.
        folder: where `config.yaml` is.

    Raises:
        UserError: a setting is wrong, or a file that it names is missing. Or another workflow has
            this one as a module, in which neither its settings nor `begin` are heeded.
    """
    if not workflow.modifier.is_main_snakefile():
        raise UserError("this workflow cannot be a module; `fmq run` starts it in any folder")
    _refuse_repeated_options(sys.argv)
    given = workflow.config_settings
    files = [] if given.replace_workflow_config else [Path(folder) / "config.yaml"]
    study = load_study(*files, *given.configfiles, given=given.config)
    refuse_missing(study)
    return study


def _refuse_repeated_options(arguments: Sequence[str]) -> None:
    """Raise `UserError` if settings are given in two places, of which Snakemake drops the first."""
    if sum(one.startswith("--configf") for one in arguments) > 1:
        raise UserError("--configfile is given twice; give it once, with all files behind it")
    places = [n for n, one in enumerate(arguments) if re.match("--config(=|$)|-C", one)]
    if len(places) > 1:
        raise UserError("--config is given twice; give it once, with all settings behind it")
    for place in places:
        first = re.sub("^(--config=?|-C)", "", arguments[place])
        others = takewhile(lambda one: not one.startswith("-"), arguments[place + 1 :])
        keys = Counter(one.partition("=")[0] for one in (first, *others) if "=" in one)
        if twice := [key for key, count in keys.items() if count > 1]:
            raise UserError(f"--config {twice[0]}=... is given twice; keep one")


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
        if isinstance(settings, FileData) and (folder / MANIFEST).exists():
            link_file(name, settings, folder)


def graph_of(study: Study, folder: Path) -> Graph:
    """Return every part that a study can need; what is made from all runs is in its `folder`."""
    parts = all_parts(study, RESULTS)
    recordings = [part for part in parts if part.rule == "record_rollouts"]
    parts += analyses(study, folder, RESULTS)
    parts += film_parts(study, recordings, folder, RESULTS)
    return {str(part.place): part for part in parts}


def needs(graph: Graph, places: str | list[str]) -> Callable[[Mapping[str, str]], list[Path]]:
    """Return a rule's input function, of wildcards: what the parts at some places are made from.

    Args:
        graph: parts of the study.
        places: pattern with wildcards of the place of the part that a job makes, or of several.
    """
    patterns = [places] if isinstance(places, str) else places

    def inputs(wildcards: Mapping[str, str]) -> list[Path]:
        made = [pattern.format(**wildcards) for pattern in patterns]
        if unknown := [place for place in made if place not in graph]:
            raise UserError(f"{unknown[0]}: no part of the study has this path")
        return list(dict.fromkeys(path for place in made for path in graph[place].inputs))

    return inputs


def in_seed_folders(study: Study, rule: str, name: str) -> list[str]:
    """Return the path patterns of a file or folder, one for each seed that a rule's job serves."""
    seeds = sorted(study.seeds) if stacks(study, rule) else ["{seed}"]
    return [f"{RESULTS}/runs/{{task}}/seed{seed}/{name}" for seed in seeds]


def run_files(study: Study, rule: str, run: str) -> list[str]:
    """Return the path patterns of a training job's outputs; `run` is the pattern of a folder."""
    folders = in_seed_folders(study, rule, run)
    return [f"{folder}/{name}" for folder in folders for name in RUN_FILES]


def run_log(study: Study, rule: str, run: str) -> str:
    """Return the path pattern of a training job's log."""
    return f"{in_seed_folders(study, rule, run)[0]}/log.txt"


def seed_options(study: Study, rule: str) -> str:
    """Return a job's seed options: ``--seed 0 --seed 1``, or the pattern ``--seed {seed}``."""
    return options(sorted(study.seeds)) if stacks(study, rule) else "--seed {seed}"


def identities(graph: Graph, rules: Iterable[str]) -> str:
    """Return a regular expression of the identities of what some rules make.

    With a looser pattern, a path of another study would be a job of this one, which would delete
    what is there before it makes its own.
    """
    return "|".join(sorted({part.identity for part in graph.values() if part.rule in rules}))


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


def pages(study: Study) -> tuple[str, ...]:
    """Return every table that the report can show, as FOLDER-NAME."""
    return (*table_pages(study), *PAGES)


def source_pattern(study: Study) -> str:
    """Return a regular expression that matches the sources of published policies."""
    sources = [row.source for row in study.imported.values() if row.source]
    return "|".join(map(re.escape, sources)) or "(?!)"


def sampler_pattern(study: Study) -> str:
    """Return a regular expression that matches the samplers and their variants."""
    return "|".join(map(re.escape, (*study.sampler_labels, *study.ablations.samplers)))


def run_pattern(study: Study) -> str:
    """Return a regular expression that matches the runs."""
    pretrainings, kinds = "|".join(PRETRAININGS), "|".join(DISTILLATIONS)
    return f"pretrain-({pretrainings})|distill-({kinds})|finetune-({method_pattern(study)})"
