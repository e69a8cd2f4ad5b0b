"""Typed settings of a study: the single source of names, bounds and help texts.

`config.yaml` shows every setting; `fmq.config.reading` reads it and the overlays laid over it. Most
sections are in `fmq.config.sections`; tasks, data sets, ablations and others have modules of their
own.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from fmq.base.errors import UserError
from fmq.base.files import in_home
from fmq.config.ablations import AblationSettings, base_name, refuse_foreign
from fmq.config.datasets import DatasetSettings, FileData, NoData, check_source
from fmq.config.imported import ImportedMethod, check_imported
from fmq.config.methods import METHODS, Method, fitting_samplers
from fmq.config.own_methods import OwnMethod, check_own_methods, own_samplers
from fmq.config.rollouts import RolloutSettings
from fmq.config.samplers import SAMPLERS
from fmq.config.section import Section, describe, overlaid
from fmq.config.sections import (
    EvaluationSettings,
    FMQSettings,
    NetworkSettings,
    OfflineSettings,
    OnlineSettings,
    SamplingSettings,
    StatisticsSettings,
    TrainingSettings,
)
from fmq.config.tasks import Task, TaskSettings, parse_task

SHAPES_NOTHING: dict[str, Any] = {"tracker": True, "evaluation": {"processes"}}
"""Settings that affect neither results nor how they are shown, in pydantic's `exclude` format."""


class Study(Section):
    """The settings of a whole study; the fields are the top-level keys of `config.yaml`."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]*$", description="name of the study in tables and captions"
    )
    seed: int = Field(ge=0, description="root of every random stream of the study")
    tasks: list[str] = Field(min_length=1, description="names of OGBench or RoboMimic tasks")
    seeds: list[int] = Field(min_length=1, description="seeds; every run is repeated for each")
    methods: list[str] = Field(min_length=1, description="rows of the comparison, in this order")
    own_methods: dict[str, OwnMethod] = Field(
        default={}, description="user-defined methods in files, by name: docs/add_method.md"
    )
    imported: dict[str, ImportedMethod] = Field(
        default={},
        description="methods trained elsewhere, by name: docs/paper_study.md",
    )
    samplers: list[str] = Field(
        description="METHOD+SAMPLER, evaluated in addition to the method's own sampler"
    )
    device: str = Field(
        pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto uses a GPU if there is one"
    )
    jobs_per_device: int = Field(ge=1, description="training processes that share a GPU")
    threads: int = Field(ge=1, description="CPU threads of a training process")
    checkpoint_seconds: float = Field(
        gt=0, description="seconds between checkpoints, from which an interrupted run continues"
    )
    data_dir: str | None = Field(description="folder with copies of published files, or null")
    allow_missing: bool = Field(
        description="make tables of an unfinished study, with the number of runs n in each cell"
    )
    published: bool = Field(description="show published results beside the study's own")
    tracker: Literal["none", "tensorboard", "wandb"] = Field(
        default="none", description="shows metrics during training; does not change results"
    )
    task_defaults: TaskSettings
    task_settings: dict[str, dict[str, Any]] = Field(
        description="changes to task_defaults, per task"
    )
    datasets: dict[str, DatasetSettings] = Field(
        description="sources of the tasks' data, by the data set's name"
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
                raise ValueError(f"{key} lists something twice: {values}")
        if min(self.seeds) < 0:
            raise ValueError(f"seeds must be 0 or more, got {min(self.seeds)}")
        check_own_methods(self.own_methods, self)
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
            if isinstance(self.datasets[dataset], NoData) and self.trained_methods:
                raise ValueError(
                    f"datasets.{dataset}.source: none, but {self.trained_methods[0]} learns from "
                    "it; give it data, or compare imported methods only"
                )
        for dataset, settings in self.datasets.items():
            check_source(dataset, settings)
        if self.rollouts.seed not in (None, *self.seeds):
            raise ValueError(f"rollouts.seed {self.rollouts.seed} is not in seeds: {self.seeds}")
        trained = [name for name, method in self.known_methods.items() if method.trained]
        refuse_foreign(self.ablations.methods, trained, "ablations.methods: ")
        for name in self.ablations.methods:
            self.variant(name)
        for name in self.ablations.samplers:
            self.sampler(name)
        return self

    def _check_sampler(self, row: str) -> None:
        # A row for a method that is not compared is harmless: `methods` may be any subset.
        method, _, sampler = row.partition("+")
        if method not in self.known_methods or sampler not in self.sampler_labels:
            raise ValueError(
                f"samplers: {row!r} is not METHOD+SAMPLER; methods: "
                f"{', '.join(self.known_methods)}; samplers: {', '.join(self.sampler_labels)}"
            )
        if sampler not in self.fitting_samplers(self.method(method).offline):
            raise ValueError(f"samplers: {row!r} needs a flow map, but {method} has none")

    def shaping(self) -> dict[str, Any]:
        """Return the settings that identify the study, and digests of user-defined methods.

        Settings at their defaults and those in `SHAPES_NOTHING` are left out.
        """
        values = self.model_dump(exclude=SHAPES_NOTHING, exclude_defaults=True)
        for name, row in self.own_methods.items():
            described = values["own_methods"][name]
            del described["file"]  # wherever it lies
            described |= {"code": row.code.digest, "takes": row.code.row.get("settings", {})}
        return values

    @property
    def known_methods(self) -> dict[str, Method]:
        """All methods by name: fmq's, user-defined ones, and imported ones."""
        own = {name: row.method(name) for name, row in self.own_methods.items()}
        return METHODS | own | {name: row.method() for name, row in self.imported.items()}

    def method(self, name: str) -> Method:
        """Return the method `name`; for a variant, the method that it changes."""
        return self.known_methods[base_name(name)]

    @property
    def sampler_labels(self) -> dict[str, str]:
        """Labels of fmq's samplers and of samplers in method files, by name."""
        own = {name: row.label for name, row in self.own_methods.items() if row.sampler == name}
        return {name: row.label for name, row in SAMPLERS.items()} | own

    @property
    def added_methods(self) -> list[str]:
        """Names of the user-defined and the imported methods."""
        return [*self.own_methods, *self.imported]

    @property
    def compared_imports(self) -> dict[str, ImportedMethod]:
        """The imported methods in the comparison, by name."""
        return {name: self.imported[name] for name in self.methods if name in self.imported}

    @property
    def copies(self) -> Path | None:
        """The folder `data_dir`, with ~ expanded."""
        return in_home(self.data_dir) if self.data_dir else None

    @property
    def trained_methods(self) -> list[str]:
        """Names of the methods in the comparison that are trained here."""
        return [name for name in self.methods if self.method(name).trained]

    def fitting_samplers(self, start: str | None) -> list[str]:
        """Return the samplers that suit a policy whose `Method.offline` is `start`."""
        return [*fitting_samplers(start), *own_samplers(self.own_methods, start)]

    def task(self, name: str) -> Task:
        """Return the task `name`, with its `task_settings` laid over `task_defaults`."""
        merged = self.task_defaults.model_dump() | self.task_settings.get(name, {})
        try:
            settings = TaskSettings.model_validate(merged)
        except ValidationError as error:
            raise UserError(f"task_settings.{name}.{describe(error, TaskSettings)}") from None
        source = self.datasets.get(name)
        return parse_task(name, settings, source if isinstance(source, FileData) else None)

    def variant(self, name: str) -> "Study":
        """Return the study with the changes of `ablations.methods.NAME`, without other variants.

        Raises:
            UserError: the changes are not valid.
        """
        samplers = {"samplers": self.ablations.samplers, "methods": {}}
        changes = dict(self.ablations.methods[name])
        numbers, base = changes.pop("settings", None), base_name(name)
        if numbers is not None and base not in self.own_methods:
            raise UserError(
                f"ablations.methods.{name}.settings: {base} is not in own_methods, and only those "
                "methods have settings"
            )
        if numbers is not None:
            changes["own_methods"] = {base: {"settings": numbers}}
        values = overlaid(self.model_dump(), changes)
        try:
            return Study.model_validate(values | {"ablations": samplers})
        except ValidationError as error:
            told = describe(error, Study)
        raise UserError(f"ablations.methods.{name}: {told}")

    def sampler(self, name: str) -> tuple[str, SamplingSettings]:
        """Return a sampler and its settings; for a variant, the sampler that it changes."""
        changes = self.ablations.samplers.get(name, {})
        try:
            sampling = SamplingSettings.model_validate(self.sampling.model_dump() | changes)
        except ValidationError as error:
            told = describe(error, SamplingSettings)
            raise UserError(f"ablations.samplers.{name}.{told}") from None
        return base_name(name), sampling

    def offline_run(self, method: str) -> str | None:
        """Return the name of the offline run that `method` starts from; None if it is imported."""
        kind = self.method(method).offline
        return f"distill-{self.offline.distillation}" if kind == "distill" else kind

    def dataset_names(self) -> list[str]:
        """Return the data sets that the tasks need, each once, in alphabetical order."""
        return sorted({self.task(name).dataset for name in self.tasks})

    def samplers_of(self, method: str) -> list[str]:
        """Return the samplers that `method` is evaluated with, its own first."""
        extra = [row.partition("+")[2] for row in self.samplers if row.partition("+")[0] == method]
        own = self.method(method).sampler
        return [own, *(sampler for sampler in extra if sampler != own)]


def find_dataset(study: Study, name: str) -> DatasetSettings:
    """Return the settings of the data set `name`; `UserError` if the study has none."""
    if name not in study.datasets:
        known = ", ".join(study.datasets)
        raise UserError(f"data set {name!r} is not in the study; its data sets: {known}")
    return study.datasets[name]
