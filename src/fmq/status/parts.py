"""The parts of a study, and the files that tell of each.

They are the workflow's own data sets, runs and evaluations, as `fmq.planning.jobs` counts them,
but without the work in them: to count that, a simulator's packages may have to be imported.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from fmq import paths
from fmq.errors import UserError
from fmq.planning.jobs import RULES
from fmq.runs import (
    LAST_EVALUATION,
    Run,
    dataset_settings,
    evaluation_file,
    evaluation_settings,
    make_run,
    together_hash,
)
from fmq.settings import Study
from fmq.variants import ablation_rows
from fmq.workflow import scored_runs


@dataclass(frozen=True)
class Part:
    """A data set, a run, or an evaluation of a run's last checkpoint.

    Attributes:
        rule: Snakemake's.
        name: ``dataset NAME``, ``RUN`` or ``evaluate-RUN-SAMPLER``.
        tasks: that need it: several may share a data set.
        seed: None for a data set.
        output: it is done when this is there, with the right record.
        record: JSON file with what it was made with.
        settings: gives what the study would make it with.
        log: its standard error; of a stack, that of all its seeds.
        scratch: folder with the lock of the run that it trains or evaluates.
        kept: gives the folder with the progress of a run, or of a stack of them.
        episodes: CSV file of its last evaluation.
        run: that it trains or evaluates.
    """

    rule: str
    name: str
    tasks: tuple[str, ...]
    seed: int | None
    output: Path
    record: Path
    settings: Callable[[], dict[str, Any]]
    log: Path
    scratch: Path | None = None
    kept: Callable[[], Path] | None = None
    episodes: Path | None = None
    run: Run | None = None

    @property
    def trains(self) -> bool:
        """Whether it is a run, which alone has a lock and keeps its progress."""
        return self.run is not None and self.rule != "evaluate"

    def begun(self) -> bool:
        """Whether there is any trace of it."""
        traces = [self.output, self.log, *([self.scratch] if self.trains and self.scratch else [])]
        return any(path.exists() for path in traces)


def study_parts(study: Study, results: Path) -> list[Part]:
    """Those of `snakemake all`, and of the ablations' those that have begun, by rule."""
    parts = list(_dataset_parts(study, results))
    runs = _with_parents(study, scored_runs(study))
    ablated = _with_parents(study, _ablated_runs(study))
    for task in study.tasks:
        scored = list(_task_parts(study, task, runs, results))
        names = {part.name for part in scored}
        more = _task_parts(study, task, _begun(ablated, study, task, results), results)
        parts += scored
        parts += (part for part in more if part.name not in names and part.begun())
    return sorted(parts, key=lambda part: RULES.index(part.rule))


def _ablated_runs(study: Study) -> dict[str, list[str]]:
    """The runs of the ablations, with the samplers that they are evaluated under."""
    try:
        rows = ablation_rows(study)
    except UserError:
        return {}  # no FMQ in the study: the command says so
    return {
        run: list(dict.fromkeys(row.sampler for row in rows if row.run == run))
        for run in dict.fromkeys(row.run for row in rows)
    }


def _begun(
    runs: Mapping[str, list[str]], study: Study, task: str, results: Path
) -> dict[str, list[str]]:
    """Those of `runs` and of their samplers that any seed of a task has a trace of."""
    places = [(results, task, seed) for seed in study.seeds]
    folders = [paths.seed_folder(*place) for place in places]
    folders += [paths.scratch_folder(*place, "") for place in places]
    traces = {path.name for folder in folders for path in folder.glob("*")}
    evaluated = {name.rpartition(".")[0] for name in traces}
    found = {
        run: [sampler for sampler in samplers if f"evaluate-{run}-{sampler}" in evaluated]
        for run, samplers in runs.items()
    }
    return {run: samplers for run, samplers in found.items() if samplers or run in traces}


def _with_parents(study: Study, runs: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """`runs`, each after those that it starts from; the samplers of these are none."""
    ordered: dict[str, list[str]] = {}
    for name in runs:
        chain = [make_run(study, study.tasks[0], study.seeds[0], name)]
        while chain[0].parent is not None:
            chain.insert(0, chain[0].parent)
        ordered |= {run.name: runs.get(run.name, []) for run in chain}
    return ordered


def _dataset_parts(study: Study, results: Path) -> Iterator[Part]:
    for name in study.dataset_names():
        folder = paths.dataset_folder(results, name)
        manifest = folder / "manifest.json"
        yield Part(
            "dataset",
            f"dataset {name}",
            tuple(task for task in study.tasks if study.task(task).dataset == name),
            None,
            output=manifest,
            record=manifest,
            settings=partial(dataset_settings, study, name),
            log=folder / "log.txt",
        )


def _task_parts(
    study: Study, task: str, runs: Mapping[str, Sequence[str]], results: Path
) -> Iterator[Part]:
    """Every run of a task, and its evaluations."""
    for name, samplers in runs.items():
        run = make_run(study, task, study.seeds[0], name)  # checks settings, so once for all seeds
        alone = len(run.stack) == 1
        stacks = [[replace(run, seed=seed)] for seed in study.seeds] if alone else [run.stack]
        for stack in stacks:
            kept = cache(partial(_progress_folder, stack, results))  # a hash of them all, made once
            for one in stack:
                yield from _run_parts(one, stack[0], kept, samplers, results)


def _progress_folder(stack: Sequence[Run], results: Path) -> Path:
    return paths.scratch_folder(*_place(stack[0], results)) / together_hash(stack)


def _place(run: Run, results: Path) -> tuple[Path, str, int, str]:
    return results, run.task.name, run.seed, run.name


def _run_parts(
    run: Run, first: Run, kept: Callable[[], Path], samplers: Iterable[str], results: Path
) -> Iterator[Part]:
    """A run and its evaluations; `first` of its stack has the log."""
    place = _place(run, results)
    folder, scratch = paths.run_folder(*place), paths.scratch_folder(*place)
    yield Part(
        run.rule,
        run.name,
        (run.task.name,),
        run.seed,
        output=folder / "checkpoint.pt",
        record=folder / "settings.json",
        settings=run.settings,
        log=paths.run_folder(*_place(first, results)) / "log.txt",
        scratch=scratch,
        kept=kept,
        episodes=folder / LAST_EVALUATION,
        run=run,
    )
    for sampler in samplers:
        if run.evaluates(sampler):
            continue
        file = evaluation_file(run, sampler, results)
        yield Part(
            "evaluate",
            file.stem,
            (run.task.name,),
            run.seed,
            output=file,
            record=file.with_suffix(".json"),
            settings=partial(evaluation_settings, run, sampler),
            log=evaluation_file(run.siblings[0], sampler, results).with_suffix(".log"),
            scratch=scratch,
            episodes=file,
            run=run,
        )
