"""What the rules of runs and evaluations ask: what a job reads and leaves.

With `training.stack_seeds` one job trains, or evaluates, all seeds of a task. Its files are those
of as many jobs of one seed; its log alone is one, in the smallest seed's folder. A run's name comes
with its wildcard, ``pretrain-{budget}``; the wildcard ``{seed}`` is none of a stack's. Imports
nothing heavier than the settings, as `fmq.workflow`.
"""

from collections.abc import Mapping

from fmq import paths, workflow
from fmq.cli_options import options
from fmq.runs import LAST_EVALUATION, Run, evaluation_settings, make_run, settings_hash
from fmq.settings import Study

RUN_FILES = (
    *("checkpoint.pt", "metrics.csv", "settings.json", "provenance.json"),
    *("evaluations.csv", LAST_EVALUATION, LAST_EVALUATION.replace(".csv", ".json")),
)


def outputs(study: Study, run: str) -> list[str]:
    """Patterns of all that a job leaves."""
    return [f"{folder}/{name}" for folder in in_seed_folders(study, run) for name in RUN_FILES]


def log(study: Study, run: str) -> str:
    """Pattern of a job's log."""
    return f"{in_seed_folders(study, run)[0]}/log.txt"


def in_seed_folders(study: Study, name: str) -> list[str]:
    """Patterns of a file, or folder, of each seed that a job serves."""
    seeds = sorted(study.seeds) if study.training.stack_seeds else ["{seed}"]
    return [str(paths.seed_folder(workflow.RESULTS, "{task}", seed) / name) for seed in seeds]


def parent_checkpoints(study: Study, run: str, wildcards: Mapping[str, str]) -> list[str]:
    """The checkpoints that a job starts from, one for each of its seeds."""
    parents = [one.parent for one in _runs(study, run, wildcards)]
    places = [(one.task.name, one.seed, one.name) for one in parents if one is not None]
    return [str(paths.run_folder(workflow.RESULTS, *place) / "checkpoint.pt") for place in places]


def seed_options(study: Study, run: str, wildcards: Mapping[str, str]) -> str:
    """``--seed 0 --seed 1``."""
    return options([one.seed for one in _runs(study, run, wildcards)])


def run_hashes(study: Study, run: str, wildcards: Mapping[str, str]) -> str:
    """Changes when a job has to be repeated, whichever of its seeds is the reason."""
    return " ".join(settings_hash(one.settings()) for one in _runs(study, run, wildcards))


def evaluated_seeds(study: Study, wildcards: Mapping[str, str]) -> str:
    """``--seed 0 --seed 1``, of an evaluation."""
    return options([one.seed for one in _run(study, wildcards["run"], wildcards).siblings])


def evaluation_hashes(study: Study, wildcards: Mapping[str, str]) -> str:
    """Changes when an evaluation has to be repeated, whichever of its seeds is the reason."""
    runs = _run(study, wildcards["run"], wildcards).siblings
    return " ".join(settings_hash(evaluation_settings(one, wildcards["sampler"])) for one in runs)


def _runs(study: Study, run: str, wildcards: Mapping[str, str]) -> list[Run]:
    return _run(study, run.format(**wildcards), wildcards).stack


def _run(study: Study, name: str, wildcards: Mapping[str, str]) -> Run:
    seed = int(wildcards.get("seed", study.seeds[0]))
    return make_run(study, wildcards["task"], seed, name)


def memory_mb(study: Study, task: str) -> int:
    """Memory of a training job, in MB."""
    return workflow.memory_mb(study, task, len(study.seeds) if study.training.stack_seeds else 1)
