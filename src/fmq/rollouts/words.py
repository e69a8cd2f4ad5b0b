"""Texts under the pictures of recorded episodes."""

from collections.abc import Mapping

from fmq.config.task_names import short_task_names
from fmq.pipeline.runs import Run
from fmq.rollouts.files import Recorded, Rollouts

IN_A_MAZE = "As OGBench draws a maze: walls light, floor dark, the goal red."


def title_of(run: Run) -> str:
    """Return a title such as ``FMQ on pointmaze-medium task2, seed 0``."""
    names, label = short_task_names(run.study.tasks), run.study.method(run.kind).label
    return f"{label} on {names[run.task.name]}, seed {run.seed}"


def outcome(episode: Recorded) -> str:
    """Describe how an episode ended."""
    steps = f"{episode.length} {'step' if episode.length == 1 else 'steps'}"
    return f"solved after {steps}" if episode.success else f"not solved in {steps}"


def rollout_words(rollouts: Mapping[str, Rollouts]) -> str:
    """Describe which episodes are shown, and how they relate to those in the tables.

    Args:
        rollouts: the rollouts of each method, by its label; all of the same episodes.
    """
    first = next(iter(rollouts.values()))
    numbers = ", ".join(str(one.number) for one in first.shown)
    told = " ".join(f"{label}: {_counted_words(one)}." for label, one in rollouts.items())
    return (
        f"Episodes {numbers} of the evaluation of the last checkpoint, chosen by number. The whole "
        f"evaluation was run again from the same starts and noise to record them. {told}"
    )


def _counted_words(rollouts: Rollouts) -> str:
    """Describe whether the repeated evaluation matched the counted one."""
    if not rollouts.different:
        return f"all {rollouts.episodes} match the counted ones, {rollouts.successes} solved"
    return (
        f"{rollouts.different} of {rollouts.episodes} differ from the counted ones, as can happen "
        "on another processor or GPU; these are episodes of the same policy, but NOT those in the "
        "tables"
    )
