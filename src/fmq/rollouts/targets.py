"""What `workflow/rules/rollouts.smk` asks, beside `fmq.workflow`: nothing here is heavy either."""

from pathlib import Path

from fmq import paths
from fmq.rollouts.selection import rollout_settings, shown_seed
from fmq.runs import evaluation_file, make_run, settings_hash
from fmq.settings import Study
from fmq.tasks import is_maze
from fmq.workflow import RESULTS


def last_evaluation(study: Study, task: str, seed: str, method: str) -> list[str]:
    """Episodes of a method's last checkpoint under its own sampler, and the record beside them."""
    run = make_run(study, task, int(seed), f"finetune-{method}")
    file = evaluation_file(run, run.sampler, RESULTS)
    return [str(file), str(file.with_suffix(".json"))]


def recorded_files(study: Study, task: str) -> list[str]:
    """Recorded episodes of every method that is shown."""
    seed = shown_seed(study)
    shown = _shown_methods(study, task)
    return [str(paths.rollout_file(RESULTS, task, seed, method)) for method in shown]


def rollout_files(study: Study) -> list[str]:
    """What is shown of episodes: a film and pictures of each method, and mazes from above."""
    files = []
    for task in study.tasks:
        folder, methods = paths.rollout_folder(RESULTS, task), _shown_methods(study, task)
        files += [folder / f"{method}.{kind}" for method in methods for kind in ("png", "html")]
        files += [folder / "trajectories.png"] if is_maze(task) and methods else []
    return [str(file) for file in files]


def _shown_methods(study: Study, task: str) -> list[str]:
    """Every method; with `allow_missing`, those alone whose evaluation is there."""
    seed = str(shown_seed(study))
    return [
        method
        for method in study.methods
        if not study.allow_missing or Path(last_evaluation(study, task, seed, method)[0]).exists()
    ]


def rollouts_hash(study: Study, task: str, seed: str, method: str) -> str:
    """Changes when episodes have to be recorded again."""
    return settings_hash(rollout_settings(make_run(study, task, int(seed), f"finetune-{method}")))
