"""Functions for `workflow/rules/rollouts.smk`; this module loads nothing heavy."""

from pathlib import Path

from fmq.config.study import Study
from fmq.config.tasks import is_maze
from fmq.pipeline.paths import evaluation_file
from fmq.pipeline.rollouts import rollout_file, rollouts_folder, shown_seed
from fmq.pipeline.rules import RESULTS
from fmq.pipeline.runs import make_run


def last_evaluation(study: Study, task: str, seed: str, method: str) -> list[str]:
    """Return the episodes of a method's last checkpoint with its own sampler, and their record."""
    run = make_run(study, task, int(seed), f"finetune-{method}")
    file = evaluation_file(run, run.sampler, RESULTS)
    return [str(file), str(file.with_suffix(".json"))]


def recorded_file(study: Study, task: str, method: str) -> str:
    """Return the file of a method's recorded episodes, of the seed that is shown."""
    run = make_run(study, task, shown_seed(study), f"finetune-{method}")
    return str(rollout_file(run, RESULTS))


def recorded_files(study: Study, task: str) -> list[str]:
    """Return the files of recorded episodes of every method that is shown."""
    return [recorded_file(study, task, method) for method in _shown_methods(study, task)]


def rollout_files(study: Study) -> list[str]:
    """Return all rollout files: a contact sheet and a page per method, and maps of mazes."""
    files, rollouts = [], rollouts_folder(study, RESULTS)
    for task in study.tasks:
        folder, methods = rollouts / task, _shown_methods(study, task)
        files += [folder / f"{method}.{kind}" for method in methods for kind in ("png", "html")]
        files += [folder / "trajectories.png"] if is_maze(task) and methods else []
    return [str(file) for file in files]


def _shown_methods(study: Study, task: str) -> list[str]:
    """Return the study's methods; with `allow_missing`, only those with an evaluation."""
    seed = str(shown_seed(study))
    return [
        method
        for method in study.methods
        if not study.allow_missing or Path(last_evaluation(study, task, seed, method)[0]).exists()
    ]
