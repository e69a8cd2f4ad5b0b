"""Functions for the rules of runs and evaluations: inputs, outputs and resources of a job.

With `training.stack_seeds`, one job trains or evaluates all seeds of a task. It writes the same
files as one job per seed would, except for a single log in the folder of the smallest seed. Rules
name runs by a pattern such as ``pretrain-{budget}-{identity}``; paths of stacked jobs have no
wildcard ``{seed}``. Like `fmq.pipeline.rules`, this module imports nothing heavier than the
settings.
"""

from collections.abc import Mapping

from fmq.config.study import Study
from fmq.pipeline import rules as workflow
from fmq.pipeline.paths import run_folder
from fmq.pipeline.runs import LAST_EVALUATION, Run, make_run
from fmq.pipeline.seeds import options

RUN_FILES = (
    *("checkpoint.pt", "metrics.csv", "settings.json", "provenance.json"),
    *("evaluations.csv", LAST_EVALUATION, LAST_EVALUATION.replace(".csv", ".json")),
)


def outputs(study: Study, run: str) -> list[str]:
    """Return the path patterns of a training job's outputs."""
    return [f"{folder}/{name}" for folder in in_seed_folders(study, run) for name in RUN_FILES]


def log(study: Study, run: str) -> str:
    """Return the path pattern of a training job's log."""
    return f"{in_seed_folders(study, run)[0]}/log.txt"


def in_seed_folders(study: Study, name: str) -> list[str]:
    """Return the path patterns of a file or folder, one for each seed that a job serves."""
    seeds = sorted(study.seeds) if study.training.stack_seeds else ["{seed}"]
    return [f"{workflow.RESULTS}/runs/{{task}}/seed{seed}/{name}" for seed in seeds]


def parent_checkpoints(study: Study, run: str, wildcards: Mapping[str, str]) -> list[str]:
    """Return the checkpoints that a job starts from, one per seed."""
    parents = (one.parent for one in runs_of(study, run, wildcards))
    return [str(run_folder(one, workflow.RESULTS) / "checkpoint.pt") for one in parents if one]


def runs_of(study: Study, run: str, wildcards: Mapping[str, str]) -> list[Run]:
    """Return the runs that a job trains or evaluates; `run` may contain wildcards."""
    seed = int(wildcards.get("seed", study.seeds[0]))
    return make_run(study, wildcards["task"], seed, run.format(**wildcards)).siblings


def seed_options(study: Study) -> str:
    """Return a job's seed options: ``--seed 0 --seed 1``, or the pattern ``--seed {seed}``."""
    return options(sorted(study.seeds)) if study.training.stack_seeds else "--seed {seed}"


def memory_mb(study: Study, task: str) -> int:
    """Return the memory of a training job, in MB."""
    return workflow.memory_mb(study, task, len(study.seeds) if study.training.stack_seeds else 1)
