"""Runs: one stage of one task and seed, with its bindings, identity and random streams."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from fmq.base.errors import UserError
from fmq.base.seeding import derive_seed
from fmq.config.choices import Aggregate
from fmq.config.method_files import Code
from fmq.config.methods import PRETRAININGS, WARMUP
from fmq.config.sections import Distillation, SamplingSettings, TrainingSettings
from fmq.config.study import Study
from fmq.config.tasks import Task
from fmq.pipeline.bind import (
    bind,
    bind_sampler,
    code_of,
    is_trained,
    kind_of,
    loss_of,
    row_of,
    sampling_of,
    stage_of,
    start_of,
    task_of,
)
from fmq.pipeline.bindings import Bindings, Bound, Offline, Online
from fmq.pipeline.identity import settings_hash, short

CHECKPOINT = "checkpoint.pt"
EVALUATIONS = "evaluations.csv"
LAST_EVALUATION = "last_evaluation.csv"
DISTILLATIONS = get_args(Distillation)


@dataclass(frozen=True)
class Run:
    """One stage of one task and seed.

    Attributes:
        study: the settings; for a variant, with its changes (`fmq.config.ablations`).
        task: the task.
        seed: the seed.
        name: ``pretrain-NAME``, ``distill-KIND`` or ``finetune-METHOD``, where METHOD may be a
            variant METHOD@WORD.
    """

    study: Study
    task: Task
    seed: int
    name: str
    _known: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)
    """Cache shared by copies of a run for other seeds."""

    def __str__(self) -> str:
        return f"{self.name} {self.task.name} seed {self.seed}"

    @property
    def stage(self) -> str:
        """The stage: ``pretrain``, ``distill`` or ``finetune``."""
        return stage_of(self.name)

    @property
    def trained(self) -> bool:
        """Whether the run is trained here; otherwise it is imported from a file."""
        return is_trained(self.study, self.name)

    @property
    def seeds(self) -> list[int]:
        """The seeds that have the run; with `offline.shared`, only the first has offline runs."""
        alone = self.study.offline.shared and self.stage != "finetune"
        return self.study.seeds[:1] if alone else self.study.seeds

    def of_seed(self, seed: int) -> "Run":
        """Return the run of another seed, or that of the first if it serves all seeds."""
        return replace(self, seed=seed if seed in self.seeds else self.seeds[0])

    @property
    def siblings(self) -> "list[Run]":
        """The runs of all seeds that one job serves, in ascending order of seeds."""
        if not stacks(self.study, self.stage):
            return [self]
        return [replace(self, seed=seed) for seed in sorted(self.seeds)]

    @property
    def served_seeds(self) -> list[int]:
        """The seeds of `siblings`."""
        return [run.seed for run in self.siblings]

    @property
    def stack(self) -> "list[Run]":
        """The runs that one process trains together, in ascending order of seeds."""
        return self.siblings if self.trained else [self]

    @property
    def rule(self) -> str:
        """Name of the Snakemake rule that makes the run."""
        return self.stage if self.trained else "import_run"

    @property
    def kind(self) -> str:
        """Name of the pre-training, distillation or method; for a variant, of its base method."""
        return kind_of(self.name)

    @property
    def loss_of(self) -> str:
        """Name of the method whose loss it has."""
        return loss_of(self.study, self.name)

    @property
    def actor_loss(self) -> str:
        """Name of the policy's loss; see `fmq.config.methods.Method.actor_loss`."""
        return self.study.method(self.loss_of).actor_loss

    @property
    def sampler(self) -> str:
        """Name of the sampler that acts, and selects the next chunk in the critic target."""
        return row_of(self.study, self.name).sampler

    @property
    def samplers(self) -> list[str]:
        """Names of the samplers that suit the run's policy."""
        return self.study.fitting_samplers(start_of(self.study, self.name))

    @property
    def code(self) -> Code | None:
        """The file of the run's method if it is user-defined, else None."""
        return code_of(self.study, self.name)

    @property
    def critic_target(self) -> Aggregate:
        """How critics are combined in the target and in best-of-N: ``mean`` or ``min``."""
        return self.bound.critic_target

    @property
    def parent(self) -> "Run | None":
        """The run whose checkpoint this one starts from, if any."""
        if self.stage == "pretrain":
            return None
        name = WARMUP if self.stage == "distill" else self.study.offline_run(self.kind)
        return Run(self.study, self.task, self.seed, name).of_seed(self.seed) if name else None

    @property
    def scored(self) -> bool:
        """Whether the last checkpoint is evaluated; that of the warm-up is not."""
        return self.name != WARMUP

    def evaluates(self, sampler: str) -> bool:
        """Return whether the training process evaluates the last checkpoint with this sampler."""
        return self.trained and sampler == self.sampler

    @property
    def last_step(self) -> int:
        """The last step: gradient steps since pre-training began, or environment steps if online.

        An imported run has the study's last environment step, however long it was trained, so that
        its evaluation episodes have the same initial states as those of other runs.
        """
        return self.bound.stage.last

    @property
    def updates(self) -> int:
        """Number of gradient updates in the run."""
        stage = self.bound.stage
        if isinstance(stage, Online):
            return stage.updates(stage.last)
        return stage.last - stage.first if isinstance(stage, Offline) else 0

    def derive_seed(self, purpose: str, *parts: int | str) -> int:
        """Return the seed of a random stream for one purpose of this task and seed."""
        return derive_seed(self.bound.study_seed, self.task.name, self.seed, purpose, *parts)

    @property
    def bound(self) -> Bindings:
        """The run's bindings, equal for all seeds except for the files of imported runs."""
        key = "bound" if self.trained else self.seed
        if key not in self._known:
            self._known[key] = bind(self.study, self.task, self.name, self.served_seeds)
        found: Bindings = self._known[key]
        return found

    @property
    def training(self) -> TrainingSettings:
        """The training settings, if the run is trained here."""
        found = self.bound.training
        assert found is not None, f"{self} is not trained here"
        return found

    @property
    def offline(self) -> Offline:
        """The schedule in gradient steps, if it is an offline run."""
        stage = self.bound.stage
        assert isinstance(stage, Offline), f"{self} is no offline run"
        return stage

    @property
    def online(self) -> Online:
        """The schedule in environment steps, if it is trained online."""
        stage = self.bound.stage
        assert isinstance(stage, Online), f"{self} is not trained online"
        return stage

    @property
    def identity(self) -> str:
        """Hash of the run's bindings and of its parent's identity.

        With `offline.shared`, an online run's covers its parent's seed, which is not its own. For
        an imported run, it covers the files of all seeds that one job evaluates.
        """
        key = "identity", None if self.trained else self.seed
        if key not in self._known:
            of, parent = self.bound.model_dump(mode="json", exclude_defaults=True), self.parent
            if parent:
                of["parent"] = parent.identity
                if parent.seeds != self.seeds:
                    of["parent_seed"] = parent.seed
            self._known[key] = settings_hash(of)
        found: str = self._known[key]
        return found

    @property
    def digest(self) -> str:
        """Hash of the identity and the seed, which the run's files record."""
        return settings_hash({"run": self.identity, "seed": self.seed})

    @property
    def folder(self) -> str:
        """Name of the run's folder: its name and the first digits of its identity."""
        return f"{self.name}-{short(self.identity)}"

    def settings(self) -> dict[str, Any]:
        """Return the identity, the seed and all bindings of the run and its ancestors."""
        parent = {"parent": self.parent.settings()} if self.parent else {}
        bound = self.bound.model_dump(mode="json")
        return {"identity": self.identity, "seed": self.seed, **bound, **parent}

    def sampler_named(self, name: str) -> Bound:
        """Return a sampler of the study with its numbers; it may be a variant or user-defined."""
        return bind_sampler(self.study, self.name, name)

    def sampling(self, name: str) -> tuple[str, SamplingSettings]:
        """Return a sampler and its settings; for a variant, the sampler that it changes."""
        return sampling_of(self.study, self.name, name)


def stacks(study: Study, rule: str) -> bool:
    """Return whether a job of a rule serves all seeds at once.

    With `offline.shared`, offline runs have a single seed, and evaluations, which are of runs of
    either stage, are jobs of a single seed.
    """
    return study.training.stack_seeds and (rule == "finetune" or not study.offline.shared)


def lineage(run: Run) -> list[Run]:
    """Return a run and those whose checkpoints it goes back to."""
    return [run, *lineage(run.parent)] if run.parent else [run]


def title(runs: Sequence[Run]) -> str:
    """Return the title in logs of runs that differ only in their seeds."""
    first, *others = runs
    if not others:
        return str(first)
    return f"{first.name} {first.task.name} seeds {', '.join(str(run.seed) for run in runs)}"


def make_run(study: Study, task: str, seed: int, name: str) -> Run:
    """Return the run `name` of a study's task and seed; `UserError` if there is no such run.

    With `offline.shared`, that of an offline run is the first seed's.
    """
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
    return Run(study, task_of(study, task, name), seed, name).of_seed(seed)
