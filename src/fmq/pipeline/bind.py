"""Bind a run to the settings that it may read; `fmq.pipeline.bindings` has the types.

A run is told by its study, its task and its name, ``STAGE-KIND``.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fmq.config.ablations import base_name
from fmq.config.choices import Aggregate
from fmq.config.method_files import Code
from fmq.config.methods import WARMUP, Method, OfflineRun, is_flow_map, offline_run
from fmq.config.samplers import sampler_numbers
from fmq.config.section import Section, find_setting
from fmq.config.sections import SamplingSettings
from fmq.config.study import Study
from fmq.config.tasks import Task
from fmq.pipeline.bindings import (
    Bindings,
    Bound,
    Curriculum,
    Episodes,
    Imported,
    Offline,
    Online,
    Simulation,
)
from fmq.pipeline.data import training_data_settings
from fmq.pipeline.policies import policy_identity

OTHER_SUITE = {"ogbench": "demonstrations", "robomimic": "success_timing"}
"""The setting of tasks that a suite's tasks do not read, because it is of the other suite."""


def bind(study: Study, task: Task, name: str, seeds: Sequence[int]) -> Bindings:
    """Return the bindings of a run, equal for all seeds except for the files of imported runs.

    Args:
        study: the settings, with the changes of a variant.
        task: the task, with the settings that the run has in it.
        name: the run's name.
        seeds: the seeds that one job serves, in ascending order.
    """
    trained = is_trained(study, name)
    return Bindings(
        run=name,
        task=task.name,
        study_seed=study.seed,
        simulation=Simulation(
            backup_length=_backup_length(study, task, name),
            **task.settings.model_dump(exclude={"fql_alpha", OTHER_SUITE[task.suite]}),
        ),
        networks=study.networks,
        training=study.training if trained else None,
        actor_loss=_bind_loss(study, task, name) if trained else None,
        sampler=bind_sampler(study, name, row_of(study, name).sampler),
        critic_target=_critic_target(study, name),
        curriculum=_bind_curriculum(study, name) if trained else None,
        stage=_bind_stage(study, name) if trained else _bind_files(study, task, name, seeds),
        evaluation=Episodes(**study.evaluation.model_dump(include={*Episodes.model_fields})),
        dataset=_bind_data(study, task, trained),
        together=tuple(seeds) if trained and len(seeds) > 1 else (),
    )


def stage_of(name: str) -> str:
    """Return a run's stage: ``pretrain``, ``distill`` or ``finetune``."""
    return name.partition("-")[0]


def kind_of(name: str) -> str:
    """Return a run's pre-training, distillation or method; for a variant, its base method."""
    return base_name(name.partition("-")[2])


def row_of(study: Study, name: str) -> Method | OfflineRun:
    """Return what is known of a run's method or, if it is one, of the offline run."""
    return study.method(kind_of(name)) if stage_of(name) == "finetune" else offline_run(name)


def start_of(study: Study, name: str) -> str | None:
    """Return the offline run behind a run, in the form of `Method.offline`."""
    row = row_of(study, name)
    return row.offline if isinstance(row, Method) else name


def loss_of(study: Study, name: str) -> str:
    """Return the name of the method whose loss a run has; an offline run has some method's."""
    row = row_of(study, name)
    return row.method if isinstance(row, OfflineRun) else kind_of(name)


def code_of(study: Study, name: str) -> Code | None:
    """Return the file of a run's method if it is user-defined, else None."""
    own = study.own_methods.get(kind_of(name)) if stage_of(name) == "finetune" else None
    return own.code if own else None


def is_trained(study: Study, name: str) -> bool:
    """Return whether a run is trained here; otherwise it is imported from a file."""
    return stage_of(name) != "finetune" or study.method(kind_of(name)).trained


def task_of(study: Study, task: str, name: str) -> Task:
    """Return a run's task, with single-action chunks if its method uses them."""
    found = study.task(task)
    if not _single(study, name):
        return found
    return replace(found, settings=found.settings.model_copy(update={"chunk_length": 1}))


def sampling_of(study: Study, run: str, sampler: str) -> tuple[str, SamplingSettings]:
    """Return a sampler and its settings in a run; for a variant, the sampler that it changes."""
    base, sampling = study.sampler(sampler)
    if sampling.bfn_samples is not None and _single(study, run):
        sampling = sampling.model_copy(update={"samples": sampling.bfn_samples})
    return base, sampling


def bind_sampler(study: Study, run: str, sampler: str) -> Bound:
    """Return a sampler with its numbers in a run; it may be a variant or user-defined."""
    base, sampling = sampling_of(study, run, sampler)
    if base in study.own_methods:
        return Bound(name=sampler, code=study.own_methods[base].code.digest)
    numbers, neutral = sampler_numbers(base, sampling), _neutral_numbers(SamplingSettings)
    return Bound(name=base, numbers=numbers, neutral=neutral)


def _bind_loss(study: Study, task: Task, name: str) -> Bound:
    """Return the loss with the settings of the study that it takes, and with numbers of its own."""
    method, code = study.method(loss_of(study, name)), code_of(study, name)
    numbers, neutral = {}, {}
    for argument, place in method.settings.items():
        section, key = find_setting(study, place)
        if section is study.task_defaults:
            section = task.settings
        elif key in (defaults := _neutral_numbers(type(section))):
            neutral[argument] = defaults[key]
        numbers[argument] = getattr(section, key)
    own = study.own_methods[kind_of(name)].settings if code else {}
    return Bound(
        name=method.actor_loss,
        numbers=numbers | own,
        neutral={} if code else neutral,  # a file may have other defaults
        code=code.digest if code else "",
    )


def _neutral_numbers(section: type[Section]) -> dict[str, Any]:
    """Return the defaults of those settings of a section that have one."""
    fields = section.model_fields.items()
    return {name: field.default for name, field in fields if not field.is_required()}


def _single(study: Study, name: str) -> bool | str:
    """Return `OfflineRun.single` of the offline run behind a run."""
    start = start_of(study, name)
    return start is not None and offline_run(start).single


def _backup_length(study: Study, task: Task, name: str) -> int:
    """Return the chunk length; for n-step returns, that of the task, not of the run."""
    n_step = _single(study, name) == "n-step"
    return (study.task(task.name) if n_step else task).settings.chunk_length


def _critic_target(study: Study, name: str) -> Aggregate:
    row = row_of(study, name)
    if isinstance(row, OfflineRun):
        return study.offline.critic_target
    return row.critic_target or study.online.critic_target


def _bind_curriculum(study: Study, name: str) -> Curriculum | None:
    """Return the curriculum; only flow maps and user-defined losses have one."""
    if not is_flow_map(start_of(study, name)) and code_of(study, name) is None:
        return None
    return Curriculum(**study.offline.model_dump(include={*Curriculum.model_fields}))


def _bind_stage(study: Study, name: str) -> Offline | Online:
    row, offline = row_of(study, name), study.offline
    if isinstance(row, Method):
        return Online(
            last=study.online.steps,
            first_update=offline.steps,
            interacts=row.interacts,
            **study.online.model_dump(exclude={"steps", "critic_target", "simulators"}),
        )
    first = offline.warmup_steps if stage_of(name) == "distill" else 0
    last = offline.warmup_steps if name == WARMUP else offline.steps
    return Offline(first=first, last=last, evaluate_every=offline.evaluate_every)


def _bind_data(study: Study, task: Task, trained: bool) -> dict[str, Any]:
    """Return what determines the data; imported runs have only RoboMimic's simulators from it."""
    if not trained and task.suite == "ogbench":
        return {}
    return training_data_settings(study, task.dataset)


def _bind_files(study: Study, task: Task, name: str, seeds: Sequence[int]) -> Imported:
    row = study.imported[kind_of(name)]
    return Imported(
        last=study.online.steps,
        files=tuple(policy_identity(row, task.name, seed) for seed in seeds),
        tf32=study.training.tf32,
    )
