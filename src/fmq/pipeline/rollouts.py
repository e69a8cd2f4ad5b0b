"""Which episodes of which runs are shown; the workflow imports this, so it loads nothing heavy."""

from pathlib import Path
from typing import Any

from fmq.config.study import Study
from fmq.pipeline.evaluations import evaluation_settings
from fmq.pipeline.identity import settings_hash, short
from fmq.pipeline.paths import run_folder
from fmq.pipeline.runs import Run


def shown_seed(study: Study) -> int:
    """Return the seed of the runs that are shown: `rollouts.seed`, or the study's first."""
    return study.seeds[0] if study.rollouts.seed is None else study.rollouts.seed


def shown_episodes(study: Study) -> list[int]:
    """Return the numbers of the episodes shown, without those that an evaluation lacks."""
    return [n for n in study.rollouts.episodes if n < study.evaluation.episodes]


def rollout_settings(run: Run) -> dict[str, Any]:
    """Return everything that determines the recorded episodes of a run's last checkpoint."""
    episodes = shown_episodes(run.study)
    return {"evaluation": evaluation_settings(run, run.sampler), "episodes": episodes}


def film_folder(study_folder: Path, task: str) -> Path:
    """Return the folder of the films and pictures of a task's episodes, in the study's folder."""
    return study_folder / "rollouts" / task


def rollout_file(run: Run, results: Path) -> Path:
    """Return the path of the recorded episodes of a run's last evaluation."""
    identity = short(settings_hash(rollout_settings(run)))
    return run_folder(run, results) / f"rollouts-{identity}.npz"
