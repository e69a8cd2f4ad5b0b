"""Typed settings of a study: the one source of names, bounds and help texts.

`config.yaml` shows every setting; `fmq.configuration` reads it and the overlays laid over it. Most
sections are in `fmq.stage_settings`, the others beside what they are of: tasks, data, ablations.
"""

from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from fmq.ablations import AblationSettings, base_name, refuse_foreign
from fmq.datasets import DatasetSettings, FileData, check_source
from fmq.errors import UserError
from fmq.imported import ImportedMethod, check_imported
from fmq.methods import METHODS, SAMPLER_LABELS, Method, fitting_samplers
from fmq.own_methods import OwnMethod, check_own_methods, own_samplers
from fmq.rollouts.settings import RolloutSettings
from fmq.section import Section, describe, overlaid
from fmq.stage_settings import (
    EvaluationSettings,
    FMQSettings,
    NetworkSettings,
    OfflineSettings,
    OnlineSettings,
    SamplingSettings,
    StatisticsSettings,
    TrainingSettings,
)
from fmq.tasks import Task, TaskSettings, parse_task

SHAPES_NOTHING: dict[str, Any] = {"tracker": True, "evaluation": {"processes"}}
"""Settings of a study that change no result and no word of one, as pydantic excludes them."""


class Study(Section):
    """A whole study; the fields are the top-level keys of `config.yaml`."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]*$", description="what tables and captions call the study"
    )
    seed: int = Field(ge=0, description="root of every random stream of the study")
    tasks: list[str] = Field(min_length=1, description="OGBench or RoboMimic names")
    seeds: list[int] = Field(min_length=1, description="a run of everything for each")
    methods: list[str] = Field(min_length=1, description="rows of the comparison, in this order")
    own_methods: dict[str, OwnMethod] = Field(
        default={}, description="methods in files of their own, by name: docs/add_method.md"
    )
    imported: dict[str, ImportedMethod] = Field(
        default={},
        description="methods that are not trained here, by name: docs/paper_study.md",
    )
    samplers: list[str] = Field(description="METHOD+SAMPLER, evaluated beside the method's own")
    device: str = Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto takes a GPU if any")
    jobs_per_device: int = Field(ge=1, description="training processes that share a GPU")
    threads: int = Field(ge=1, description="CPU threads of a training process")
    checkpoint_seconds: float = Field(
        gt=0, description="seconds between checkpoints from which an interrupted run goes on"
    )
    data_dir: str | None = Field(description="folder with copies of official data sets, or null")
    allow_missing: bool = Field(description="tables of an unfinished study, with n per cell")
    published: bool = Field(description="show reported results beside the study's own")
    tracker: Literal["none", "tensorboard", "wandb"] = Field(
        default="none", description="also shows metrics while runs train; changes no result"
    )
    task_defaults: TaskSettings
    task_settings: dict[str, dict[str, Any]] = Field(description="per task, over task_defaults")
    datasets: dict[str, DatasetSettings] = Field(
        description="by name, where the data of each task comes from"
    )
    networks: NetworkSettings
    training: TrainingSettings
    offline: OfflineSettings
    online: OnlineSettings
    fmq: FMQSettings
    sampling: SamplingSettings
    evaluation: EvaluationSettings
    statistics: StatisticsSettings
    rollouts: RolloutSettings
    ablations: AblationSettings

    @model_validator(mode="after")
    def _consistent(self) -> "Study":
        for key in ("tasks", "seeds", "methods", "samplers"):
            values = getattr(self, key)
            if len(set(values)) < len(values):
                raise ValueError(f"{key} names something twice: {values}")
        if min(self.seeds) < 0:
            raise ValueError(f"seeds have to be 0 or more, got {min(self.seeds)}")
        check_own_methods(self.own_methods)
        check_imported(self.imported, self.own_methods, self.tasks, self.seeds)
        for method in self.methods:
            if method not in self.known_methods:
                known = ", ".join(self.known_methods)
                raise ValueError(f"methods: unknown {method!r}; allowed: {known}")
        for row in self.samplers:
            self._check_sampler(row)
        for name in self.task_settings:
            self.task(name)
        for name in self.tasks:
            dataset = self.task(name).dataset
            if dataset not in self.datasets:
                raise ValueError(
                    f"datasets has no entry {dataset!r}, which task {name!r} needs; "
                    f"add e.g. {dataset}: {{source: official}}"
                )
        for dataset, settings in self.datasets.items():
            check_source(dataset, settings)
        if self.rollouts.seed not in (None, *self.seeds):
            raise ValueError(f"rollouts.seed {self.rollouts.seed} is none of seeds: {self.seeds}")
        trained = [name for name, method in self.known_methods.items() if method.trained]
        refuse_foreign(self.ablations.methods, trained, "ablations.methods: ")
        for name in self.ablations.methods:
            self.variant(name)
        for name in self.ablations.samplers:
            self.sampler(name)
        return self

    def _check_sampler(self, row: str) -> None:
        # A row of a method that is not compared is harmless: `methods` may name any subset.
        method, _, sampler = row.partition("+")
        if method not in self.known_methods or sampler not in self.sampler_labels:
            raise ValueError(
                f"samplers: {row!r} is no METHOD+SAMPLER; methods: "
                f"{', '.join(self.known_methods)}; samplers: {', '.join(self.sampler_labels)}"
            )
        if sampler not in self.fitting_samplers(self.method(method).offline):
            raise ValueError(f"samplers: {row!r} needs a flow map, and {method} has none")

    def shaping(self) -> dict[str, Any]:
        """All settings but those that shape nothing, and what methods' files do."""
        codes = {name: row.code.digest for name, row in self.own_methods.items()}
        return self.model_dump(exclude=SHAPES_NOTHING) | ({"code": codes} if codes else {})

    @property
    def known_methods(self) -> dict[str, Method]:
        """fmq's methods, those in files of their own, and those that are imported."""
        own = {name: row.method(name) for name, row in self.own_methods.items()}
        return METHODS | own | {name: row.method() for name, row in self.imported.items()}

    def method(self, name: str) -> Method:
        """The method `name`, or that which a variant changes."""
        return self.known_methods[base_name(name)]

    @property
    def sampler_labels(self) -> dict[str, str]:
        """How fmq's samplers are called, and those in files of methods."""
        own = {name: row.label for name, row in self.own_methods.items() if row.sampler == name}
        return SAMPLER_LABELS | own

    @property
    def added_methods(self) -> list[str]:
        """The names of the methods beside fmq's."""
        return [*self.own_methods, *self.imported]

    @property
    def compared_imports(self) -> dict[str, ImportedMethod]:
        """Those of the comparison that are imported."""
        return {name: self.imported[name] for name in self.methods if name in self.imported}

    @property
    def trained_methods(self) -> list[str]:
        """Those of the comparison that are trained here."""
        return [name for name in self.methods if self.method(name).trained]

    def fitting_samplers(self, start: str | None) -> list[str]:
        """Samplers that make sense on a policy whose offline run was `start`, `Method.offline`."""
        return [*fitting_samplers(start), *own_samplers(self.own_methods, start)]

    def task(self, name: str) -> Task:
        """The task `name`: the defaults, and over them what `task_settings` says of it."""
        merged = self.task_defaults.model_dump() | self.task_settings.get(name, {})
        try:
            settings = TaskSettings.model_validate(merged)
        except ValidationError as error:
            raise UserError(f"task_settings.{name}.{describe(error, TaskSettings)}") from None
        source = self.datasets.get(name)
        return parse_task(name, settings, source if isinstance(source, FileData) else None)

    def variant(self, name: str) -> "Study":
        """The study with the changes of `ablations.methods.NAME`, and without other variants."""
        samplers = {"samplers": self.ablations.samplers, "methods": {}}
        values = overlaid(self.model_dump(), self.ablations.methods[name])
        try:
            return Study.model_validate(values | {"ablations": samplers})
        except ValidationError as error:
            told = describe(error, Study)
        raise UserError(f"ablations.methods.{name}: {told}")

    def sampler(self, name: str) -> tuple[str, SamplingSettings]:
        """The sampler `name`, or that which a variant changes, and its settings."""
        changes = self.ablations.samplers.get(name, {})
        try:
            sampling = SamplingSettings.model_validate(self.sampling.model_dump() | changes)
        except ValidationError as error:
            told = describe(error, SamplingSettings)
            raise UserError(f"ablations.samplers.{name}.{told}") from None
        return base_name(name), sampling

    def offline_run(self, method: str) -> str | None:
        """Name of the offline run that `method` starts from; None if it is not trained here."""
        kind = self.method(method).offline
        return f"distill-{self.offline.distillation}" if kind == "distill" else kind

    def dataset_names(self) -> list[str]:
        """The data sets that the tasks need, each once."""
        return sorted({self.task(name).dataset for name in self.tasks})

    def samplers_of(self, method: str) -> list[str]:
        """The samplers `method` is evaluated with, its own first."""
        extra = [row.partition("+")[2] for row in self.samplers if row.partition("+")[0] == method]
        own = self.method(method).sampler
        return [own, *(sampler for sampler in extra if sampler != own)]


def find_dataset(study: Study, name: str) -> DatasetSettings:
    """How the data set `name` is made; `UserError` if the study does not say."""
    if name not in study.datasets:
        known = ", ".join(study.datasets)
        raise UserError(f"data set {name!r} is not in the study; its data sets: {known}")
    return study.datasets[name]
