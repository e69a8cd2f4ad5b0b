"""The graph of a study: its parts, of which each needs others for its inputs.

A job makes one part or, with `training.stack_seeds`, that of every seed: parts with the same log.
What is made from all runs together is in `fmq.pipeline.analyses`. Rules, plan, status and garbage
collection are views of this graph, and a test compares it with Snakemake's own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from fmq.config.study import Study
from fmq.pipeline.parts import (
    Part,
    dataset_parts,
    evaluation_part,
    measurement_parts,
    policy_part,
    recording_part,
    run_part,
)
from fmq.pipeline.paths import run_folder
from fmq.pipeline.rollouts import shown_seed
from fmq.pipeline.runs import DISTILLATIONS, Run, lineage, make_run
from fmq.pipeline.variants import ablated, by_run, inference_rows, score_rows

RULES = ("dataset", "policy", "pretrain", "distill", "finetune", "import_run", "evaluate")
"""Rules of the parts behind scores, in the order in which they are listed."""


def study_parts(study: Study, results: Path) -> list[Part]:
    """Return the parts behind a study's scores, by rule."""
    return [*dataset_parts(study, results), *_parts_of(study, by_run(score_rows(study)), results)]


def ablation_parts(study: Study, results: Path) -> list[Part]:
    """Return the runs and evaluations of the ablations, by rule; none without FMQ."""
    return _parts_of(study, by_run(ablated(study)), results)


def all_parts(study: Study, results: Path) -> list[Part]:
    """Return every part that a study can need, for whatever target."""
    rows = by_run([*score_rows(study), *ablated(study), *inference_rows(study)])
    parts = _parts_of(study, dict.fromkeys(run_names(study), ()) | rows, results)
    online = (
        part.run for part in parts if part.trains and part.run and part.run.stage == "finetune"
    )
    shown = (run for run in online if run.seed == shown_seed(study))
    return [
        *dataset_parts(study, results),
        *parts,
        *measurement_parts(study, results),
        *(recording_part(run, results) for run in shown),
    ]


def _parts_of(study: Study, samplers: Mapping[str, Sequence[str]], results: Path) -> list[Part]:
    """Return each run, after what it goes back to, and its evaluations that are jobs.

    Args:
        samplers: samplers to evaluate with, by the name of the run.

    Returns:
        parts of every task and seed, each once, in the order of `RULES`.
    """
    parts: dict[Path, Part] = {}
    for task, name in product(study.tasks, samplers):
        chain = lineage(make_run(study, task, study.seeds[0], name))
        for seed in study.seeds:
            parent = policy_part(chain[-1].of_seed(seed), results)
            if parent is not None:
                parts.setdefault(parent.place, parent)
            for run in (one.of_seed(seed) for one in reversed(chain)):
                place = run_folder(run, results)
                if place not in parts:
                    parts[place] = run_part(run, parent, results)
                parent = parts[place]
            for sampler in samplers[name]:
                if not run.evaluates(sampler):
                    part = evaluation_part(run, sampler, results)
                    parts[part.place] = part
    return sorted(parts.values(), key=lambda part: RULES.index(part.rule))


def run_names(study: Study) -> list[str]:
    """Return the names of the runs that a study can need, without those that they go back to."""
    offline = filter(None, (study.offline_run(method) for method in study.methods))
    distilled = (f"distill-{kind}" for kind in DISTILLATIONS)
    methods = (*study.methods, *study.ablations.methods)
    return list(dict.fromkeys([*offline, *distilled, *(f"finetune-{name}" for name in methods)]))


def study_runs(study: Study) -> list[Run]:
    """Return the runs `run_names` of every task and seed."""
    return runs_named(study, run_names(study))


def runs_named(study: Study, names: Iterable[str]) -> list[Run]:
    """Return the runs of some names, of every task and seed, each once."""
    first = [
        make_run(study, task, study.seeds[0], name) for task, name in product(study.tasks, names)
    ]
    return [replace(run, seed=seed) for run in first for seed in run.seeds]
