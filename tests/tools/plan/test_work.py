"""Test the jobs of a plan and the work in each against counts by hand."""

from collections import Counter
from pathlib import Path

from helpers.jobs import jobs_of_a_task
from helpers.studies import changed

from fmq.config.reading import load_study
from fmq.config.study import Study
from fmq.tools.plan.jobs import Job, study_jobs
from fmq.tools.plan.rates import policy_bytes
from fmq.tools.plan.work import Work, episode_limit


def work_of(study: Study, name: str) -> Work:
    return jobs_of_a_task(study)[name].work


def total(jobs: list[Job], *rules: str) -> Work:
    """Return the total work of the jobs of some rules."""
    works = [job.work for job in jobs if job.rule in rules]
    return Work(**{key: sum(getattr(work, key) for work in works) for key in vars(Work())})


def test_jobs_of_the_smoke_study_by_hand(smoke: Study) -> None:
    # 2 tasks, 1 seed. Runs evaluate their last checkpoint with their own sampler; those of distill,
    # fmq and mvp are evaluated with QGBS in 3 further jobs.
    counts = Counter(job.rule for job in study_jobs(smoke))
    assert counts == {
        "dataset": 1,
        "pretrain": 4,
        "distill": 2,
        "finetune": 8,
        "evaluate": 6,
        "page": 3,
        **dict.fromkeys(
            ("scores", "statistics", "tables", "figures", "summary_page", "settings_page"), 1
        ),
        **dict.fromkeys(("show", "all"), 1),
    }


def test_jobs_of_the_paper_by_hand(paper: Study) -> None:
    jobs = study_jobs(paper)
    counts = Counter(job.rule for job in jobs)
    assert counts["dataset"] == 7
    assert counts["pretrain"] == 2 * 12  # all seeds of a task
    assert counts["distill"] == 12
    assert counts["finetune"] == 3 * 12
    assert counts["evaluate"] == 3 * 12
    assert len(jobs) == 127
    budgets = Counter(job.run.name for job in jobs if job.run and job.rule == "pretrain")
    assert budgets == {"pretrain-full": 12, "pretrain-warmup": 12}


def test_steps_of_the_paper_by_hand(paper: Study) -> None:
    jobs = study_jobs(paper)
    # Warm-up and distillation together have the million steps of full pre-training; online, the
    # first 5,000 of a million environment steps pass without an update.
    assert total(jobs, "pretrain", "distill").updates == 60 * 2_000_000
    assert total(jobs, "finetune").updates == 180 * 995_000
    assert total(jobs, "finetune").environment_steps == 180 * 1_000_000
    assert total(jobs, "dataset") == Work()
    # Evaluations every 100,000 of a million steps, including the last; QGBS has separate jobs.
    assert total(jobs, "finetune").episodes == 180 * 10 * 50
    assert total(jobs, "pretrain", "distill").episodes == 120 * 10 * 50
    assert total(jobs, "evaluate").episodes == 180 * 50
    limits = [episode_limit(paper.task(task)) for task in paper.tasks]
    evaluations = 5 * (18 + 27 + 8)  # per task: offline, online, at the end
    assert total(jobs, "pretrain", "distill", "finetune", "evaluate").evaluation_steps == (
        evaluations * 50 * sum(limits)
    )


def test_work_of_the_smoke_study_by_hand(smoke: Study) -> None:
    # 40 gradient steps, 10 of them warm-up, evaluated at 20 and 40; episodes of 50 steps in chunks
    # of 5; 4 episodes in 4 simulators.
    assert work_of(smoke, "pretrain-warmup") == Work(updates=10)
    once = {"episodes": 4, "evaluation_steps": 200, "evaluation_calls": 10}
    twice = {"episodes": 8, "evaluation_steps": 400, "evaluation_calls": 20}
    full = Work(simulators=4, resets=8, updates=40, **twice)
    assert work_of(smoke, "pretrain-full") == full
    assert work_of(smoke, "distill-esd") == Work(simulators=4, resets=8, updates=30, **twice)
    # 60 environment steps: an update at every second one after the 20th, evaluated at 20, 40, 60.
    thrice = {"episodes": 12, "evaluation_steps": 600, "evaluation_calls": 30}
    online = Work(simulators=5, resets=14, updates=20, environment_steps=60, **thrice)
    assert work_of(smoke, "finetune-fmq") == online
    still = Work(simulators=4, resets=12, updates=20, **thrice)
    assert work_of(smoke, "finetune-mvp-no-new-data") == still
    assert work_of(smoke, "finetune-fmq qgbs") == Work(simulators=4, resets=4, **once)
    # 4 + 1 episodes of 100 actions, with one row more each.
    made = Work(simulators=1, resets=5, environment_steps=505)
    assert work_of(smoke, "dataset") == made


def test_what_does_not_divide_is_rounded_as_the_loops_do(smoke: Study) -> None:
    study = changed(
        smoke,
        {
            "online": {"steps": 61, "start_training": 21, "update_every": 3, "evaluate_every": 61},
            "offline": {"evaluate_every": 15},
            "task_defaults": {"episode_limit": 52},
            "evaluation": {"episodes": 5, "environments": 3},
        },
    )
    # Updates at 24, 27, ..., 60; evaluated only at the end.
    work = work_of(study, "finetune-fmq")
    assert (work.simulators, work.resets, work.episodes) == (1 + 3, 2 + 5, 5)
    assert (work.updates, work.environment_steps) == (13, 61)
    # Evaluated at 15, 30 and 40; 5 episodes in 3 simulators are two rounds of 11 chunks.
    assert work_of(study, "pretrain-full").evaluation_calls == 3 * 2 * 11
    # Distillation starts after step 10, so it has all three evaluations too.
    assert work_of(study, "distill-esd").episodes == 3 * 5


def test_training_that_never_starts_makes_no_update(smoke: Study) -> None:
    study = changed(smoke, {"online": {"start_training": 1000}})
    assert work_of(study, "finetune-fmq").updates == 0


def test_shared_runs_are_counted_once(smoke: Study) -> None:
    jobs = study_jobs(changed(smoke, {"methods": ["mvp"], "samplers": []}))
    assert Counter(job.rule for job in jobs if job.run) == {
        "pretrain": 2,
        "distill": 2,
        "finetune": 2,
    }
    assert len({job.name for job in jobs}) == len(jobs)


def test_a_stack_is_one_job_with_the_work_of_all_seeds(smoke: Study) -> None:
    several = changed(smoke, {"seeds": [3, 1]})
    stacked = changed(several, {"training": {"stack_seeds": True}})
    rules = ("pretrain", "distill", "finetune", "evaluate")
    one, both = study_jobs(several), study_jobs(stacked)
    counts, halved = (Counter(job.rule for job in jobs) for jobs in (one, both))
    assert halved == counts | {rule: counts[rule] // 2 for rule in rules}
    apart, together = vars(total(one, *rules)), vars(total(both, *rules))
    # Evaluations share their four simulators in six stacks per task (all but the warm-ups), and in
    # the three jobs of QGBS.
    assert together.pop("simulators") == apart.pop("simulators") - 2 * (6 + 3) * 4
    assert together == apart
    jobs = jobs_of_a_task(stacked)
    run, evaluation = jobs["finetune-fmq"], jobs["finetune-fmq qgbs"]
    assert run.name.startswith(f"results/runs/{smoke.tasks[0]}/seed1/finetune-fmq-")
    assert (run.needs[1], run.seeds) == (jobs["distill-esd"].name, 2)
    assert (evaluation.needs, evaluation.seeds) == ((jobs["dataset"].name, run.name), 2)
    alone = work_of(smoke, "finetune-fmq qgbs")
    assert evaluation.work.resets == 2 * alone.resets
    assert evaluation.work.simulators == alone.simulators


def test_every_job_stands_behind_those_it_needs(paper: Study) -> None:
    seen: set[str] = set()
    for job in study_jobs(paper):
        assert seen.issuperset(job.needs)
        seen.add(job.name)


def test_a_chain_of_needs(smoke: Study) -> None:
    jobs = jobs_of_a_task(smoke)
    named = {job.name: name for name, job in jobs.items()}

    def needs(name: str) -> list[str]:
        return [named[needed] for needed in jobs[name].needs]

    assert needs("finetune-fmq qgbs") == ["dataset", "finetune-fmq"]
    assert needs("finetune-fmq") == ["dataset", "distill-esd"]
    assert needs("finetune-qc") == ["dataset", "pretrain-full"]
    assert needs("distill-esd") == ["dataset", "pretrain-warmup"]
    assert needs("pretrain-warmup") == ["dataset"]


def test_the_suites_own_limits(paper: Study) -> None:
    settings = {task: {"episode_limit": None} for task in paper.tasks}
    unset = changed(paper, {"task_settings": settings})
    for task in paper.tasks:  # config/paper.yaml states the limits that the suites register
        assert episode_limit(unset.task(task)) == episode_limit(paper.task(task))


def test_the_authors_study_fetches_and_evaluates_and_trains_nothing(root: Path) -> None:
    names = ("config.yaml", "config/paper.yaml", "config/authors.yaml")
    jobs = study_jobs(load_study(*(root / name for name in names)))
    counts = Counter(job.rule for job in jobs)
    assert (counts["policy"], counts["import_run"], counts["evaluate"]) == (60, 60, 24)
    assert sum(job.work.updates + job.work.environment_steps for job in jobs) == 0
    assert sum(job.work.episodes for job in jobs) == 120 * 50
    assert policy_bytes(jobs) == 60 * 50_000_000
