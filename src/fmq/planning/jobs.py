"""Every job of a study, and how much work is in it: counts alone, nothing measured.

The jobs are read off the functions that the workflow itself asks, and a test holds them against
Snakemake's own count. Imports no torch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from fmq import paths
from fmq.datasets import is_generated
from fmq.runs import Run, evaluation_file, make_run
from fmq.settings import Study, find_dataset
from fmq.tasks import Task
from fmq.workflow import RESULTS, TABLE_PAGES, dataset_threads, job_threads, scored_runs

RULES = ("dataset", "pretrain", "distill", "finetune", "import_run", "evaluate")
PRIORITIES = {"pretrain": 2, "distill": 2, "finetune": 1}
"""As in `workflow/rules`; 0 where nothing is said."""


@dataclass(frozen=True)
class Work:
    """Counts of what takes time. Episodes run to their limit, which few do once solved.

    Attributes:
        simulators: made by the process.
        resets: of simulators, for whatever purpose.
        updates: gradient updates.
        environment_steps: taken to learn from, or to make data.
        episodes: of evaluation.
        evaluation_steps: environment steps in them.
        evaluation_calls: policy calls, each for all simulators in lockstep.
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
        name: unique; the path of its output, where it has one to itself.
        rule: Snakemake's rule.
        needs: names of the jobs before it.
        cores: that it claims; fewer where there are fewer.
        priority: of those that could start, the highest start first.
        task: whose simulator it uses; for a data set, the first task that needs it.
        run: that it trains or evaluates; of several seeds, the smallest one's.
        sampler: that it acts with.
        seeds: that it trains or evaluates in one process; the work is that of all.
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
    """Every job of `snakemake all` in an empty results folder, those before it first."""
    jobs = {job.name: job for job in _dataset_jobs(study)}
    for task in study.tasks:
        for seed in study.seeds:
            for name, samplers in scored_runs(study).items():
                run = make_run(study, task, seed, name)
                apart = (sampler for sampler in samplers if not run.evaluates(sampler))
                for job in (*_training_jobs(run), *(_evaluation_job(run, s) for s in apart)):
                    jobs[job.name] = job  # runs share their offline runs, and seeds a job
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
        output = str(paths.dataset_folder(RESULTS, name))
        yield Job(
            output, "dataset", cores=dataset_threads(study, name), task=users[name], work=work
        )


def _training_jobs(run: Run) -> Iterator[Job]:
    """The run's job, which may be that of other seeds too, after those that it starts from."""
    run, seeds = run.stack[0], len(run.stack)
    if run.parent is not None:
        yield from _training_jobs(run.parent)
    before = [paths.dataset_folder(RESULTS, run.task.dataset)]
    if run.parent is not None:
        before.append(_folder(run.parent))
    yield Job(
        str(_folder(run)),
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
        tuple(dict.fromkeys(str(_folder(one.stack[0])) for one in runs)),
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
        Job("all", "all", ("tables", "figures", *TABLE_PAGES, "settings_page")),
    ]


def _work(run: Run) -> Work:
    if not run.trained:
        return Work(simulators=1, resets=1)  # whose sizes its networks have to have
    return _online_work(run) if run.stage == "finetune" else _offline_work(run)


def _together(work: Work, run: Run, seeds: int) -> Work:
    """`work` for each of the seeds of a stack, whose evaluations share their simulators."""
    shared = run.study.evaluation.simulators if work.episodes else 0
    counts = {name: seeds * count for name, count in vars(work).items()}
    return Work(**counts | {"simulators": counts["simulators"] - (seeds - 1) * shared})


def _offline_work(run: Run) -> Work:
    first = run.parent.last_step if run.parent else 0
    every = run.study.offline.evaluate_every
    work = Work(updates=run.updates)
    # Evaluated at every multiple after the first step, and at the end.
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
    """`work`, and so many evaluations on top."""
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
    """Environment steps of a task's longest episode; the simulator's own where none is set."""
    if task.settings.episode_limit is not None:
        return task.settings.episode_limit
    if task.suite == "robomimic":
        from fmq.envs.robomimic import EPISODE_LIMITS

        return EPISODE_LIMITS[task.environment]
    import gymnasium
    import ogbench  # noqa: F401  registers the simulators

    limit = gymnasium.spec(task.environment).max_episode_steps
    assert limit is not None, f"{task.environment} is registered without a limit"
    return limit


def _folder(run: Run) -> Path:
    return paths.run_folder(RESULTS, run.task.name, run.seed, run.name)
