"""Jobs of a study by what they make, whatever their folders are called."""

from fmq.config.study import Study
from fmq.tools.plan.jobs import Job, study_jobs


def jobs_of_a_task(study: Study, task: int = 0) -> dict[str, Job]:
    """The jobs of a task, of the first seed: ``dataset``, ``distill-esd``, ``distill-esd qgbs``."""
    found: dict[str, Job] = {}
    for job in study_jobs(study):
        if job.task == study.tasks[task]:
            name = job.run.name if job.run else job.rule
            found.setdefault(f"{name} {job.sampler}" if job.rule == "evaluate" else name, job)
    return found
