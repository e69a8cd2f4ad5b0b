"""Which episodes of which runs are shown. Read by the workflow, so that nothing here is heavy."""

from typing import Any

from fmq.runs import Run, evaluation_settings
from fmq.settings import Study


def shown_seed(study: Study) -> int:
    """The seed of the runs that are shown: the one that is set, or the study's first."""
    return study.seeds[0] if study.rollouts.seed is None else study.rollouts.seed


def shown_episodes(study: Study) -> list[int]:
    """Their numbers, in the order of the settings, without those that an evaluation lacks."""
    return [n for n in study.rollouts.episodes if n < study.evaluation.episodes]


def rollout_settings(run: Run) -> dict[str, Any]:
    """Everything that shapes the recorded episodes of a run's last checkpoint."""
    episodes = shown_episodes(run.study)
    return {"evaluation": evaluation_settings(run, run.sampler), "episodes": episodes}
