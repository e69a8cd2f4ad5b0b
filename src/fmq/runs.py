"""A run: one training stage of one task and seed, what shapes it, and its random streams."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fmq import paths
from fmq.ablations import base_name
from fmq.data.sources import find_source
from fmq.datasets import suite_of
from fmq.errors import UserError
from fmq.methods import FLOW_MAP_SAMPLERS, PRETRAININGS
from fmq.own_methods import Code
from fmq.seeding import derive_seed
from fmq.settings import Study, find_dataset
from fmq.tasks import Task

LAST_EVALUATION = "last_evaluation.csv"
DISTILLATIONS = ("esd", "lsd", "psd")
_SAMPLING = {"samples", "flow_steps"}  # QGBS never acts or proposes in training


@dataclass(frozen=True)
class Run:
    """`name` is ``pretrain-NAME``, ``distill-KIND`` or ``finetune-METHOD``, also METHOD@WORD.

    The study of a variant is one with its changes (`fmq.ablations`).
    """

    study: Study
    task: Task
    seed: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} {self.task.name} seed {self.seed}"

    @property
    def stage(self) -> str:
        """``pretrain``, ``distill`` or ``finetune``."""
        return self.name.partition("-")[0]

    @property
    def trained(self) -> bool:
        """Whether it is trained here; otherwise it is made of somebody's file."""
        return self.stage != "finetune" or self.study.method(self.kind).trained

    @property
    def siblings(self) -> "list[Run]":
        """The same run of all seeds that one job serves, ascending; or this one alone."""
        stacked = self.study.training.stack_seeds
        return (
            [replace(self, seed=seed) for seed in sorted(self.study.seeds)] if stacked else [self]
        )

    @property
    def stack(self) -> "list[Run]":
        """The runs that one process trains together, in ascending order; or this one alone."""
        return self.siblings if self.trained else [self]

    @property
    def rule(self) -> str:
        """Snakemake's rule that makes it."""
        return self.stage if self.trained else "import_run"

    @property
    def kind(self) -> str:
        """The pre-training, the distillation, or the method; of a variant, what it changes."""
        return base_name(self.name.partition("-")[2])

    @property
    def actor_loss(self) -> str:
        """The loss of its policy, as `fmq.methods.Method.actor_loss`."""
        if self.stage == "finetune":
            return self.study.method(self.kind).actor_loss
        return "flow_map" if self.stage == "distill" else PRETRAININGS[self.kind].actor_loss

    @property
    def sampler(self) -> str:
        """The sampler it acts with, which also picks the critic target's next chunk."""
        if self.stage == "finetune":
            return self.study.method(self.kind).sampler
        return "best_of_n" if self.stage == "distill" else PRETRAININGS[self.kind].sampler

    @property
    def samplers(self) -> list[str]:
        """The samplers that make sense on its policy."""
        return self.study.fitting_samplers(_start_of(self.study, self.name))

    @property
    def code(self) -> Code | None:
        """The file of its method, if that is one of the study's own."""
        own = self.study.own_methods.get(self.kind) if self.stage == "finetune" else None
        return own.code if own else None

    @property
    def backup_length(self) -> int:
        """Environment steps of the critic's backup: those of a chunk, but for n-step returns."""
        n_step = _actions(self.study, self.name) == "n-step"
        length = self.study.task(self.task.name) if n_step else self.task
        return length.settings.chunk_length

    @property
    def critic_target(self) -> str:
        """``mean`` or ``min`` over the critics, in the target and in best-of-N."""
        if self.stage != "finetune":
            return self.study.offline.critic_target
        return self.study.method(self.kind).critic_target or self.study.online.critic_target

    @property
    def parent(self) -> "Run | None":
        """The run whose checkpoint this one starts from."""
        if self.stage == "pretrain":
            return None
        warmup = "pretrain-warmup"
        name = warmup if self.stage == "distill" else self.study.offline_run(self.kind)
        return Run(self.study, self.task, self.seed, name) if name else None

    @property
    def scored(self) -> bool:
        """Whether its end is evaluated: that of the warm-up is only where distillation begins."""
        return self.name != "pretrain-warmup"

    def evaluates(self, sampler: str) -> bool:
        """Whether the process that trains it also evaluates its end under this sampler."""
        return self.trained and sampler == self.sampler

    @property
    def last_step(self) -> int:
        """Its end: gradient steps since the start (offline) or environment steps (online).

        Of an imported run too, whatever it was trained for: its episodes have the same starts.
        """
        if self.stage == "finetune":
            return self.study.online.steps
        offline = self.study.offline
        return offline.warmup_steps if self.name == "pretrain-warmup" else offline.steps

    @property
    def updates(self) -> int:
        """Gradient updates that it makes."""
        if self.stage == "finetune":
            return self.online_updates(self.last_step)
        return self.last_step - (self.parent.last_step if self.parent else 0)

    def online_updates(self, step: int) -> int:
        """Gradient updates that an online run makes up to and with an environment step."""
        online = self.study.online
        return max(step // online.update_every - online.start_training // online.update_every, 0)

    def derive_seed(self, purpose: str, *parts: int | str) -> int:
        """A seed for one purpose of this task and seed."""
        return derive_seed(self.study.seed, self.task.name, self.seed, purpose, *parts)

    def settings(self) -> dict[str, Any]:
        """Everything in the study that shapes the result, its parents' included.

        The device is left out: it changes the last digits only, and `provenance.json` names it.
        A method in a file of its own may look at any setting that losses are given. Of an imported
        run the file is left out, too: its checksum is in `provenance.json`, and its date tells the
        workflow when to read it again.
        """
        study = self.study
        shaped: dict[str, Any] = {
            "run": self.name,
            "task": self.task.name,
            "seed": self.seed,
            "study_seed": study.seed,
            "task_settings": self._task_settings(),
            "networks": study.networks.model_dump(),
            "training": study.training.model_dump(),
            "sampling": study.sampling.model_dump(include=None if self.code else _SAMPLING),
            "evaluation": study.evaluation.model_dump(exclude={"processes"}),
            "dataset": training_data_settings(study, self.task.dataset),
        }
        if not self.trained:
            del shaped["training"]
            return shaped | {"critic_target": self.critic_target, "step": self.last_step}
        shaped |= self._online_settings() if self.stage == "finetune" else self._offline_settings()
        if self.parent is not None:
            shaped["parent"] = self.parent.settings()
        return shaped

    def _task_settings(self) -> dict[str, Any]:
        """What the run uses of them."""
        settings = self.task.settings
        looks = self.actor_loss == "fql" or self.code
        shaped = settings.model_dump(exclude=None if looks else {"fql_alpha"})
        if self.backup_length != settings.chunk_length:
            shaped["backup"] = self.backup_length
        return shaped

    def _offline_settings(self) -> dict[str, Any]:
        offline = self.study.offline
        shared = {"critic_target": self.critic_target, "evaluate_every": offline.evaluate_every}
        return {"steps": self.last_step, **shared, **self._distillation_settings()}

    def _online_settings(self) -> dict[str, Any]:
        study, method = self.study, vars(self.study.method(self.kind)).copy()
        del method["label"]
        if self.code is not None:
            method["code"] = self.code.digest
        shaped = {
            "method": method,
            "online": study.online.model_dump(exclude=None if self.code else {"critic_target"}),
            "critic_target": self.critic_target,
            **self._distillation_settings(),
        }
        if self.actor_loss == "fmq" or self.code:
            shaped["fmq"] = study.fmq.model_dump()
        return shaped

    def _distillation_settings(self) -> dict[str, Any]:
        """The curriculum, for runs that start from a warmed-up policy and train a flow map."""
        without = self.sampler not in FLOW_MAP_SAMPLERS or self.actor_loss == "fql"
        if without and not self.code:
            return {}
        names = {"warmup_steps", "anneal_end", "distillation"}
        return self.study.offline.model_dump(include=names)


def title(runs: Sequence[Run]) -> str:
    """Return what a log calls the same run of one seed, or of several."""
    first, *others = runs
    if not others:
        return str(first)
    return f"{first.name} {first.task.name} seeds {', '.join(str(run.seed) for run in runs)}"


def evaluation_file(run: Run, sampler: str, results: Path) -> Path:
    """Return where the episodes of a run's end under a sampler are; a record lies beside them."""
    return paths.seed_folder(results, run.task.name, run.seed) / evaluation_name(run, sampler)


def evaluation_name(run: Run, sampler: str) -> str:
    """Return the same from the folder of the seed on.

    What the training process makes itself, under the run's own sampler, is among the run's files;
    any other sampler is tried by a job of its own.
    """
    if run.evaluates(sampler):
        return f"{run.name}/{LAST_EVALUATION}"
    return f"evaluate-{run.name}-{sampler}.csv"


def make_run(study: Study, task: str, seed: int, name: str) -> Run:
    """The run `name` of a study's task; `UserError` if the study has no such run."""
    if task not in study.tasks:
        raise UserError(f"task {task!r} is not in the study; its tasks: {', '.join(study.tasks)}")
    if seed not in study.seeds:
        seeds = ", ".join(map(str, study.seeds))
        raise UserError(f"seed {seed} is not in the study; its seeds: {seeds}")
    allowed = [
        *(f"pretrain-{kind}" for kind in PRETRAININGS),
        *(f"distill-{kind}" for kind in DISTILLATIONS),
        *(f"finetune-{method}" for method in (*study.methods, *study.ablations.methods)),
    ]
    if name not in allowed:
        raise UserError(f"run {name!r} is not in the study; its runs: {', '.join(allowed)}")
    stage, _, kind = name.partition("-")
    if stage == "distill":
        offline = study.offline.model_copy(update={"distillation": kind})
        study = study.model_copy(update={"offline": offline})
    if kind in study.ablations.methods:
        study = study.variant(kind)
    if stage == "finetune" and not study.method(kind).trained:
        raw = study.networks.model_copy(update={"normalize_observations": False})
        study = study.model_copy(update={"networks": raw})
    return Run(study, _task(study, task, name), seed, name)


def _task(study: Study, name: str, run: str) -> Task:
    """The task, with chunks of a single action where the method has such."""
    task = study.task(name)
    if not _actions(study, run):
        return task
    return replace(task, settings=task.settings.model_copy(update={"chunk_length": 1}))


def _start_of(study: Study, run: str) -> str | None:
    """The offline run behind a run, or ``distill``: of `fmq.methods.Method.offline`'s kind."""
    stage, _, kind = run.partition("-")
    return study.method(kind).offline if stage == "finetune" else run


def _actions(study: Study, run: str) -> bool | str:
    """`Pretraining.single` of what is behind a run."""
    pretraining = PRETRAININGS.get((_start_of(study, run) or "").removeprefix("pretrain-"))
    return pretraining is not None and pretraining.single


def dataset_settings(study: Study, dataset: str) -> dict[str, Any]:
    """Everything that shapes a data set."""
    settings = find_dataset(study, dataset)
    shaped = {"name": dataset, **settings.model_dump()}
    if settings.source == "official":
        shaped["version"] = find_source(dataset).version
    return shaped


def training_data_settings(study: Study, dataset: str) -> dict[str, Any]:
    """What shapes what runs learn from: not the validation file, where that is one of its own."""
    settings = dataset_settings(study, dataset)
    if suite_of(dataset) == "ogbench":
        settings.pop("validation_episodes", None)
    return settings


def evaluation_settings(run: Run, sampler: str) -> dict[str, Any]:
    """Everything that shapes the evaluation of a run's last checkpoint."""
    base, settings = run.study.sampler(sampler)
    sampling = settings.model_dump(include=None if base == "qgbs" else _SAMPLING)
    shaped = {"run": run.settings(), "sampler": sampler, "sampling": sampling}
    if base in run.study.own_methods:
        shaped["code"] = run.study.own_methods[base].code.digest
    return shaped


def settings_hash(settings: dict[str, Any]) -> str:
    """Short name of a group of settings: the same settings, the same 16 digits."""
    return hashlib.sha256(canonical(settings).encode()).hexdigest()[:16]


def together_hash(runs: Sequence[Run]) -> str:
    """Short name of the settings behind the runs of one process: of one, its own."""
    first, *others = (run.settings() for run in runs)
    return settings_hash({"together": [first, *others]} if others else first)


def canonical(values: Any) -> str:
    """JSON text that is the same for the same settings."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), default=str)
