"""What `snakemake ablations` adds to a study: methods and samplers with a few settings changed.

A variant is called by what it changes and a word: ``fmq@eta-0.5``, ``qgbs@2-4-4``.
"""

import re
from collections.abc import Collection
from typing import Any

from pydantic import Field, field_validator

from fmq.section import Section

SIGN = "@"
_NAME = re.compile(r"[a-z][a-z0-9_-]*@[a-z0-9][a-z0-9.-]*")

Changes = dict[str, dict[str, Any]]

_OR_NULL: dict[str, Any] = {"additionalProperties": {"type": ["object", "null"]}}


class AblationSettings(Section):
    """Variants by name, each with the settings that it lays over the study's."""

    methods: Changes = Field(
        description="METHOD@WORD: changes of fmq, of online, and of offline.distillation",
        json_schema_extra=_OR_NULL,
    )
    samplers: Changes = Field(
        description="SAMPLER@WORD: changes of sampling, for FMQ's policies",
        json_schema_extra=_OR_NULL,
    )

    @field_validator("methods", "samplers", mode="before")
    @classmethod
    def _left_out(cls, variants: Any) -> Any:
        """Null leaves a variant out: an overlay can add keys, but not take one away."""
        if not isinstance(variants, dict):
            return variants
        return {name: changes for name, changes in variants.items() if changes is not None}

    @field_validator("methods")
    @classmethod
    def _of_methods(cls, variants: Changes) -> Changes:
        for name, changes in variants.items():
            offline = changes.get("offline", {})
            inside = isinstance(offline, dict) and set(offline) <= {"distillation"}
            if not inside or not set(changes) <= {"fmq", "online", "offline"}:
                raise ValueError(
                    f"{name!r} changes what it starts from; a variant may change fmq, online and "
                    "offline.distillation"
                )
        return variants

    @field_validator("samplers")
    @classmethod
    def _of_samplers(cls, variants: Changes) -> Changes:
        refuse_foreign(variants, {"best_of_n", "qgbs"})
        for name, changes in variants.items():
            base, _, word = name.partition(SIGN)
            if base == "qgbs" and not all(key.startswith("qgbs_") for key in changes):
                raise ValueError(f"{name!r} changes something else than qgbs_ settings")
            if base == "best_of_n" and (
                set(changes) != {"samples"} or word != str(*changes.values())
            ):
                raise ValueError(f"{name!r} has to be best_of_n@N: {{samples: N}}")
        return variants


def base_name(name: str) -> str:
    """The method or sampler that a variant changes; any other name is its own."""
    return name.partition(SIGN)[0]


def refuse_foreign(variants: Changes, bases: Collection[str], where: str = "") -> None:
    """Raise `ValueError` for a variant of none of `bases`, or one that changes nothing."""
    for name, changes in variants.items():
        if not _NAME.fullmatch(name) or base_name(name) not in bases:
            raise ValueError(
                f"{where}{name!r} is no NAME@WORD with a name of {', '.join(sorted(bases))} and a "
                "word of small letters, digits, dots and hyphens"
            )
        if not changes:
            raise ValueError(f"{where}{name!r} changes nothing")
