"""List the parts of a study, and the files that show the state of each.

The parts are the workflow's data sets, runs and evaluations, as `fmq.pipeline.graph` counts them,
but without their amount of work, because counting that may import a simulator's packages.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fmq.base.errors import UserError
from fmq.config.study import Study
from fmq.pipeline.graph import RULES
from fmq.pipeline.paths import (
    dataset_folder,
    evaluation_file,
    lineage,
    run_folder,
    scratch_folder,
)
from fmq.pipeline.rules import scored_runs
from fmq.pipeline.runs import LAST_EVALUATION, Run, make_run
from fmq.pipeline.variants import ablation_rows


@dataclass(frozen=True)
class Part:
    """A data set, a run, or an evaluation of a run's last checkpoint.

    Attributes:
        rule: rule of Snakemake.
        name: ``dataset NAME``, ``RUN`` or ``evaluate-RUN-SAMPLER``.
        tasks: tasks that need it; several may share a data set.
        seed: seed; None for a data set.
        output: file whose existence means that the part is done.
        log: file with its standard error; all seeds of a stack share one.
        scratch: folder with the lock of the run that it trains or evaluates.
        kept: folder with the saved progress of a run, or of a stack of runs.
        episodes: CSV file of its last evaluation.
        run: run that it trains or evaluates.
    """

    rule: str
    name: str
    tasks: tuple[str, ...]
    seed: int | None
    output: Path
    log: Path
    scratch: Path | None = None
    kept: Path | None = None
    episodes: Path | None = None
    run: Run | None = None

    @property
    def trains(self) -> bool:
        """Return whether it is a run; only runs have a lock and save their progress."""
        return self.run is not None and self.rule != "evaluate"

    def begun(self) -> bool:
        """Return whether it has left any file."""
        traces = [self.output, self.log, *([self.scratch] if self.trains and self.scratch else [])]
        return any(path.exists() for path in traces)


def study_parts(study: Study, results: Path) -> list[Part]:
    """Return the parts of `snakemake all`, and those of the ablations that have begun, by rule."""
    parts = list(_dataset_parts(study, results))
    runs = _with_parents(study, scored_runs(study))
    ablated = _with_parents(study, _ablated_runs(study))
    for task in study.tasks:
        scored = list(_task_parts(study, task, runs, results))
        names = {part.name for part in scored}
        more = _task_parts(study, task, ablated, results)
        parts += scored
        parts += (part for part in more if part.name not in names and part.begun())
    return sorted(parts, key=lambda part: RULES.index(part.rule))


def _ablated_runs(study: Study) -> dict[str, list[str]]:
    """Return the runs of the ablations, with the samplers that they are evaluated under."""
    try:
        rows = ablation_rows(study)
    except UserError:
        return {}  # a study without FMQ has no ablations; `fmq ablations` reports the error
    return {
        run: list(dict.fromkeys(row.sampler for row in rows if row.run == run))
        for run in dict.fromkeys(row.run for row in rows)
    }


def _with_parents(study: Study, runs: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return `runs`, each after those that it starts from, which have no samplers if not in it."""
    ordered: dict[str, list[str]] = {}
    for name in runs:
        chain = lineage(make_run(study, study.tasks[0], study.seeds[0], name))
        ordered |= {run.name: runs.get(run.name, []) for run in reversed(chain)}
    return ordered


def _dataset_parts(study: Study, results: Path) -> Iterator[Part]:
    for name in study.dataset_names():
        folder = dataset_folder(study, name, results)
        yield Part(
            "dataset",
            f"dataset {name}",
            tuple(task for task in study.tasks if study.task(task).dataset == name),
            None,
            output=folder / "manifest.json",
            log=folder / "log.txt",
        )


def _task_parts(
    study: Study, task: str, runs: Mapping[str, Sequence[str]], results: Path
) -> Iterator[Part]:
    """Yield every run of a task, and its evaluations."""
    for name, samplers in runs.items():
        run = make_run(study, task, study.seeds[0], name)  # once: it checks the settings
        for seed in study.seeds:
            yield from _run_parts(replace(run, seed=seed), samplers, results)


def _run_parts(run: Run, samplers: Iterable[str], results: Path) -> Iterator[Part]:
    """Yield a run and its evaluations; the first run of a stack has the log and progress of all."""
    first = run.stack[0]
    folder, scratch = run_folder(run, results), scratch_folder(run, results)
    yield Part(
        run.rule,
        run.name,
        (run.task.name,),
        run.seed,
        output=folder / "checkpoint.pt",
        log=run_folder(first, results) / "log.txt",
        scratch=scratch,
        kept=scratch_folder(first, results) / "progress",
        episodes=folder / LAST_EVALUATION,
        run=run,
    )
    for sampler in samplers:
        if run.evaluates(sampler):
            continue
        file = evaluation_file(run, sampler, results)
        yield Part(
            "evaluate",
            f"evaluate-{run.name}-{sampler}",
            (run.task.name,),
            run.seed,
            output=file,
            log=evaluation_file(run.siblings[0], sampler, results).with_suffix(".log"),
            scratch=scratch,
            episodes=file,
            run=run,
        )
