"""The jobs of `snakemake all`, with what they need, claim and do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fmq.config.study import Study
from fmq.pipeline.analyses import analyses
from fmq.pipeline.graph import study_parts
from fmq.pipeline.parts import Part
from fmq.pipeline.resources import PRIORITIES
from fmq.pipeline.rules import RESULTS
from fmq.pipeline.runs import Run
from fmq.pipeline.studies import study_folder
from fmq.tools.plan.work import Work, work_of


@dataclass(frozen=True)
class Job:
    """One job of the workflow.

    Attributes:
        name: unique name: the place of what it makes, with several seeds of the smallest.
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
    work: Work = field(default_factory=Work)
    seeds: int = 1


def study_jobs(study: Study) -> list[Job]:
    """Return every job of `snakemake all` in an empty results folder, in topological order."""
    groups: dict[Path, list[Part]] = {}
    folder = study_folder(study, RESULTS)
    for part in (*study_parts(study, RESULTS), *analyses(study, folder, RESULTS)):
        groups.setdefault(part.log, []).append(part)
    made = [sorted(parts, key=lambda part: part.seed or 0) for parts in groups.values()]
    makers = {
        file: str(parts[0].place) for parts in made for part in parts for file in part.outputs
    }
    jobs = [_job(study, parts, makers) for parts in made]
    needed = {name for job in jobs for name in job.needs}
    last = tuple(job.name for job in jobs if job.name not in needed)
    return [*jobs, Job("all", "all", last)]


def _job(study: Study, parts: Sequence[Part], makers: Mapping[Path, str]) -> Job:
    """Return the job that makes some parts, which differ in their seeds.

    Args:
        makers: names of jobs by the files that they make.
    """
    first = parts[0]
    inputs = (file for part in parts for file in part.inputs if file in makers)
    return Job(
        str(first.place),
        first.rule,
        tuple(dict.fromkeys(makers[file] for file in inputs)),
        cores=first.cores,
        priority=PRIORITIES.get(first.rule, 0),
        task=first.tasks[0] if first.tasks else "",
        run=first.run,
        sampler=first.sampler,
        work=work_of(study, first, len(parts)),
        seeds=len(parts),
    )
