"""Count the work in a part of the study, without any measurement.

The module does not import torch; it loads a simulator's packages only to look up episode limits
that the settings leave to the suite.
"""

from dataclasses import dataclass, replace
from math import ceil

from fmq.config.datasets import is_generated
from fmq.config.study import Study, find_dataset
from fmq.config.tasks import EPISODE_LIMITS, Task
from fmq.pipeline.parts import Part
from fmq.pipeline.runs import Run


@dataclass(frozen=True)
class Work:
    """The amount of work in a job.

    Counts assume that episodes run to their limit; few do once a task is solved.

    Attributes:
        simulators: simulators that the process creates.
        resets: resets of simulators, for any purpose.
        updates: gradient updates.
        environment_steps: environment steps to learn from, or to make data.
        episodes: evaluation episodes.
        evaluation_steps: environment steps in evaluation episodes.
        evaluation_calls: policy calls in evaluations, each for all simulators in lockstep.
    """

    simulators: int = 0
    resets: int = 0
    updates: int = 0
    environment_steps: int = 0
    episodes: int = 0
    evaluation_steps: int = 0
    evaluation_calls: int = 0


def work_of(study: Study, part: Part, seeds: int) -> Work:
    """Return the work in a job that makes a part for a number of seeds; an analysis has none."""
    if part.rule == "dataset":
        return _dataset_work(study, study.task(part.tasks[0]).dataset)
    if part.run is None or not part.sampler:
        return Work()
    work = _run_work(part.run) if part.trains else _evaluated(Work(), part.run, evaluations=1)
    return _together(work, part.run, seeds)


def _dataset_work(study: Study, name: str) -> Work:
    settings = find_dataset(study, name)
    if not is_generated(settings):
        return Work()
    episodes = settings.episodes + settings.validation_episodes
    steps = episodes * (settings.episode_length + 1)
    return Work(simulators=1, resets=episodes, environment_steps=steps)


def _run_work(run: Run) -> Work:
    if not run.trained:
        return Work(simulators=1, resets=1)  # to compare the networks' sizes with the simulator's
    return _online_work(run) if run.stage == "finetune" else _offline_work(run)


def _together(work: Work, run: Run, seeds: int) -> Work:
    """Multiply `work` by the seeds of a stack, whose evaluations share their simulators."""
    shared = run.study.evaluation.simulators if work.episodes else 0
    counts = {name: seeds * count for name, count in vars(work).items()}
    return Work(**counts | {"simulators": counts["simulators"] - (seeds - 1) * shared})


def _offline_work(run: Run) -> Work:
    evaluations = len(run.offline.evaluations) + run.scored  # and one at the end
    return _evaluated(Work(updates=run.updates), run, evaluations)


def _online_work(run: Run) -> Work:
    online, limit = run.study.online, episode_limit(run.task)
    steps = online.steps if run.study.method(run.kind).interacts else 0
    work = Work(
        simulators=int(steps > 0),
        resets=int(steps > 0) + steps // limit,
        updates=run.updates,
        environment_steps=steps,
    )
    return _evaluated(work, run, len(run.online.evaluations) + 1)


def _evaluated(work: Work, run: Run, evaluations: int) -> Work:
    """Add a number of evaluations to `work`."""
    settings, limit = run.study.evaluation, episode_limit(run.task)
    lockstep = settings.simulators
    rounds = ceil(settings.episodes / lockstep) * ceil(limit / run.task.settings.chunk_length)
    return replace(
        work,
        simulators=work.simulators + (lockstep if evaluations else 0),
        resets=work.resets + evaluations * settings.episodes,
        episodes=evaluations * settings.episodes,
        evaluation_steps=evaluations * settings.episodes * limit,
        evaluation_calls=evaluations * rounds,
    )


def episode_limit(task: Task) -> int:
    """Return a task's episode limit in environment steps; by default that of the simulator."""
    if task.settings.episode_limit is not None:
        return task.settings.episode_limit
    if task.suite == "robomimic":
        return EPISODE_LIMITS[task.environment]
    import gymnasium
    import ogbench  # noqa: F401  registers the simulators

    limit = gymnasium.spec(task.environment).max_episode_steps
    assert limit is not None, f"{task.environment} is registered without a limit"
    return limit
