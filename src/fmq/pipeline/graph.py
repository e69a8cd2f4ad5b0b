"""The jobs of a study and the amount of work in each, as counts, without any measurement.

The jobs are derived from the functions that the workflow itself uses, and a test compares them with
Snakemake's own count. This module does not import torch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from fmq.config.datasets import is_generated
from fmq.config.study import Study, find_dataset
from fmq.config.tasks import EPISODE_LIMITS, Task
from fmq.pipeline.paths import data_folder, dataset_folder, evaluation_file, run_folder
from fmq.pipeline.rules import RESULTS, TABLE_PAGES, dataset_threads, job_threads, scored_runs
from fmq.pipeline.runs import Run, make_run

RULES = ("dataset", "pretrain", "distill", "finetune", "import_run", "evaluate")
PRIORITIES = {"pretrain": 2, "distill": 2, "finetune": 1}
"""Priorities as in `workflow/rules`; other rules have 0."""


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


@dataclass(frozen=True)
class Job:
    """One job of the workflow.

    Attributes:
        name: unique name; the path of the job's output if it has one of its own.
        rule: Snakemake's rule.
        needs: names of the jobs that it depends on.
        cores: cores that it claims; Snakemake lowers this to the cores available.
        priority: jobs of higher priority start first.
        task: task whose simulator it uses; for a data set, the first task that needs it.
        run: run that it trains or evaluates; with several seeds, that of the smallest.
        sampler: sampler that it acts with.
        work: its amount of work, over all its seeds.
        seeds: number of seeds that it trains or evaluates in one process.
    """

    name: str
    rule: str
    needs: tuple[str, ...] = ()
    cores: int = 1
    priority: int = 0
    task: str = ""
    run: Run | None = None
    sampler: str = ""
    work: Work = Work()
    seeds: int = 1


def study_jobs(study: Study) -> list[Job]:
    """Return every job of `snakemake all` in an empty results folder, in topological order."""
    jobs = {job.name: job for job in _dataset_jobs(study)}
    for task in study.tasks:
        for seed in study.seeds:
            for name, samplers in scored_runs(study).items():
                run = make_run(study, task, seed, name)
                apart = (sampler for sampler in samplers if not run.evaluates(sampler))
                for job in (*_training_jobs(run), *(_evaluation_job(run, s) for s in apart)):
                    jobs[job.name] = job  # methods share offline runs, and seeds may share a job
    ordered = sorted(jobs.values(), key=lambda job: RULES.index(job.rule))
    return [*ordered, *_analysis_jobs(tuple(jobs))]


def _dataset_jobs(study: Study) -> Iterator[Job]:
    users = {study.task(name).dataset: name for name in reversed(study.tasks)}
    for name in study.dataset_names():
        settings, work = find_dataset(study, name), Work()
        if is_generated(settings):
            episodes = settings.episodes + settings.validation_episodes
            steps = episodes * (settings.episode_length + 1)
            work = Work(simulators=1, resets=episodes, environment_steps=steps)
        output = str(dataset_folder(study, name, RESULTS))
        yield Job(
            output, "dataset", cores=dataset_threads(study, name), task=users[name], work=work
        )


def _training_jobs(run: Run) -> Iterator[Job]:
    """Yield the jobs of the run's ancestors, then its own job, which may serve several seeds."""
    run, seeds = run.stack[0], len(run.stack)
    if run.parent is not None:
        yield from _training_jobs(run.parent)
    before = [data_folder(run, RESULTS)]
    if run.parent is not None:
        before.append(run_folder(run.parent, RESULTS))
    yield Job(
        str(run_folder(run, RESULTS)),
        run.rule,
        tuple(map(str, before)),
        cores=job_threads(run.study) if run.trained else 1,
        priority=PRIORITIES.get(run.rule, 0),
        task=run.task.name,
        run=run,
        sampler=run.sampler,
        work=_together(_work(run), run, seeds),
        seeds=seeds,
    )


def _evaluation_job(run: Run, sampler: str) -> Job:
    runs = run.siblings
    return Job(
        str(evaluation_file(runs[0], sampler, RESULTS)),
        "evaluate",
        tuple(dict.fromkeys(str(run_folder(one.stack[0], RESULTS)) for one in runs)),
        cores=job_threads(run.study),
        task=run.task.name,
        run=runs[0],
        sampler=sampler,
        work=_together(_evaluated(Work(), run, evaluations=1), run, len(runs)),
        seeds=len(runs),
    )


def _analysis_jobs(before: tuple[str, ...]) -> list[Job]:
    return [
        Job("scores", "scores", before),
        Job("statistics", "statistics", ("scores",)),
        Job("tables", "tables", ("scores", "statistics")),
        Job("figures", "figures", ("scores", "statistics")),
        *(Job(page, "page", ("tables",)) for page in TABLE_PAGES),
        Job("settings_page", "settings_page", before),
        Job("show", "show", ("tables", "figures")),
        Job("all", "all", ("show", *TABLE_PAGES, "settings_page")),
    ]


def _work(run: Run) -> Work:
    if not run.trained:
        return Work(simulators=1, resets=1)  # to compare the networks' sizes with the simulator's
    return _online_work(run) if run.stage == "finetune" else _offline_work(run)


def _together(work: Work, run: Run, seeds: int) -> Work:
    """Multiply `work` by the seeds of a stack, whose evaluations share their simulators."""
    shared = run.study.evaluation.simulators if work.episodes else 0
    counts = {name: seeds * count for name, count in vars(work).items()}
    return Work(**counts | {"simulators": counts["simulators"] - (seeds - 1) * shared})


def _offline_work(run: Run) -> Work:
    first, every = run.offline.first, run.offline.evaluate_every
    work = Work(updates=run.updates)
    # Evaluations at every multiple of `every` after the first step, and at the end.
    return _evaluated(work, run, (run.last_step - 1) // every - first // every + run.scored)


def _online_work(run: Run) -> Work:
    online, limit = run.study.online, episode_limit(run.task)
    steps = online.steps if run.study.method(run.kind).interacts else 0
    work = Work(
        simulators=int(steps > 0),
        resets=int(steps > 0) + steps // limit,
        updates=run.updates,
        environment_steps=steps,
    )
    return _evaluated(work, run, (online.steps - 1) // online.evaluate_every + 1)


def _evaluated(work: Work, run: Run, evaluations: int) -> Work:
    """Add a number of evaluations to `work`."""
    settings, limit = run.study.evaluation, episode_limit(run.task)
    lockstep = settings.simulators
    rounds = ceil(settings.episodes / lockstep) * ceil(limit / run.task.settings.chunk_length)
    return Work(
        simulators=work.simulators + (lockstep if evaluations else 0),
        resets=work.resets + evaluations * settings.episodes,
        updates=work.updates,
        environment_steps=work.environment_steps,
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
