"""User-defined methods: their settings, each with a file that has a loss and may have the row."""

import re
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from fmq.base.errors import UserError
from fmq.base.files import expanded
from fmq.config.choices import Aggregate
from fmq.config.method_files import Code, read_code
from fmq.config.methods import (
    METHODS,
    PRETRAININGS,
    WARMUP,
    Method,
    fitting_samplers,
    is_flow_map,
)
from fmq.config.samplers import SAMPLERS
from fmq.config.section import Section, find_setting
from fmq.config.tasks import IQM

_PRETRAINED = [f"pretrain-{name}" for name in PRETRAININGS]
OFFLINE = ("distill", *(run for run in _PRETRAINED if run != WARMUP))
"""Runs that a method may start from; the warm-up has no evaluation to compare with."""
_TAKEN = {*METHODS, *SAMPLERS, *(method.actor_loss for method in METHODS.values()), "trajectories"}
"""Names that methods cannot have; `trajectories` is a picture beside the films of the methods."""
_NAME = re.compile(r"[a-z][a-z0-9_]*")  # no hyphens: they separate the parts of file names

Label = Annotated[
    str,
    Field(
        pattern=r"^\w([\w .,'()-]*[\w.')])?$",
        max_length=40,
        description="label in tables and figures",
    ),
]
"""The label of a user-defined or imported method."""
TAKEN_LABELS = (
    IQM,
    *(sampler.label for sampler in SAMPLERS.values()),
    *(method.label for method in METHODS.values()),
)
"""Labels that user-defined and imported methods cannot have."""


class OwnMethod(Section):
    """A user-defined method: a file with its actor loss, and its row of the comparison.

    The file may hold the row as METHOD; keys that are given here override it.
    """

    model_config = ConfigDict(json_schema_extra={"required": ["file"]})

    file: str = Field(min_length=1, description="Python file, relative to the working folder")
    label: Label
    offline: str = Field(description="offline run that it starts from: distill or pretrain-NAME")
    sampler: str = Field(
        description="sampler that it acts with; the method's own name means the file's sampler"
    )
    interacts: bool = Field(default=True, description="whether it collects transitions online")
    critic_target: Aggregate | None = Field(
        default=None, description="mean or min over the critics; null takes online.critic_target"
    )
    settings: dict[str, float | int | str | bool] = Field(
        default={}, description="keyword arguments of the file's actor_loss, by name"
    )

    @model_validator(mode="before")
    @classmethod
    def _over_the_row(cls, values: Any) -> Any:
        """Lay the keys that are given over the row in the file."""
        file = values.get("file") if isinstance(values, dict) else None
        if not file or not isinstance(file, str):
            return values
        row = read_code(expanded(file)).row
        return {key: value for key, value in row.items() if key != "settings"} | values

    @cached_property
    def code(self) -> Code:
        """The method file, read once; `UserError` if it cannot be read."""
        return read_code(expanded(self.file))

    def method(self, name: str) -> Method:
        """Return the method's row of the comparison."""
        return Method(
            label=self.label,
            offline=self.offline,
            sampler=self.sampler,
            actor_loss=name,
            interacts=self.interacts,
            critic_target=self.critic_target,
            settings=self.code.row.get("settings", {}),
        )


def check_own_methods(own: Mapping[str, OwnMethod], study: Section) -> None:
    """Check the settings and files of all user-defined methods.

    Args:
        own: the methods, by name.
        study: the settings that their files may refer to.

    Raises:
        ValueError: a name, label, offline run, sampler or setting is not allowed.
        UserError: a file is missing, is not valid Python, or lacks a required definition.
    """
    labels = [*TAKEN_LABELS]
    for name, row in own.items():
        where = f"own_methods.{name}"
        check_name(where, name, row.label, labels)
        labels.append(row.label)
        if row.offline not in OFFLINE:
            raise ValueError(
                f"{where}.offline: unknown {row.offline!r}; allowed: {', '.join(OFFLINE)}"
            )
        allowed = [*fitting_samplers(row.offline), name]
        if row.sampler not in allowed:
            raise ValueError(
                f"{where}.sampler: {row.sampler!r} does not fit {row.offline}; allowed: "
                f"{', '.join(allowed)} (the one in its file)"
            )
        _check_names(name, row)
        _check_references(name, row, study)


def check_name(where: str, name: str, label: str, labels: Collection[str]) -> None:
    """Check the name and the label of a user-defined or imported method.

    Args:
        where: key of the method in the settings, for messages.
        name: the method's name.
        label: the method's label.
        labels: labels that are taken.

    Raises:
        ValueError: the name or the label is not allowed, or taken.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{where}: a name begins with a lowercase letter and has only lowercase letters, "
            "digits and underscores"
        )
    if name in _TAKEN:
        raise ValueError(f"{where}: fmq already uses this name; choose another")
    if label in labels:
        raise ValueError(f"{where}.label: {label!r} is taken; choose another")


def _check_names(name: str, row: OwnMethod) -> None:
    wanted = {"actor_loss": "ActorLoss(noises, times, loss)"}
    if row.sampler == name:
        wanted["sampler"] = "Sampler(noises, choose)"
    for thing, how in wanted.items():
        if thing not in row.code.names:
            raise UserError(
                f"own_methods.{name}: {row.file} defines no {thing}; add {thing} = {how}"
            )


def _check_references(name: str, row: OwnMethod, study: Section) -> None:
    places = row.code.row.get("settings", {})
    where = f"own_methods.{name}: {row.file}: settings of METHOD"
    if not isinstance(places, dict) or not all(
        isinstance(one, str) for pair in places.items() for one in pair
    ):
        raise ValueError(
            f"{where} have to be names of the study's settings, by keyword argument; put numbers "
            f"into own_methods.{name}.settings"
        )
    for place in places.values():
        try:
            find_setting(study, place)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None


def own_samplers(own: Mapping[str, OwnMethod], start: str | None) -> list[str]:
    """Return the samplers in method files that suit a policy whose offline run was `start`.

    A sampler suits the offline run that its method starts from, and any flow map.
    """
    return [
        name
        for name, row in own.items()
        if row.sampler == name and (is_flow_map(start) or start == row.offline)
    ]
