"""Variants for `snakemake ablations`: methods and samplers with a few settings changed.

A variant's name is that of its method or sampler, and a word: ``fmq@eta-0.5``, ``qgbs@2-4-4``.
"""

import re
from collections.abc import Collection
from typing import Any

from pydantic import Field, field_validator

from fmq.config.section import Section

SIGN = "@"
_NAME = re.compile(r"[a-z][a-z0-9_-]*@[a-z0-9][a-z0-9.-]*")

Changes = dict[str, dict[str, Any]]

_OR_NULL: dict[str, Any] = {"additionalProperties": {"type": ["object", "null"]}}


class AblationSettings(Section):
    """Variants by name, each with the settings that it changes."""

    methods: Changes = Field(
        description="METHOD@WORD: changes to fmq, online, offline.distillation and, for a method "
        "in a file, its settings",
        json_schema_extra=_OR_NULL,
    )
    samplers: Changes = Field(
        description="SAMPLER@WORD: changes to sampling, for FMQ's policies",
        json_schema_extra=_OR_NULL,
    )

    @field_validator("methods", "samplers", mode="before")
    @classmethod
    def _left_out(cls, variants: Any) -> Any:
        """Drop variants set to null, because an overlay can add keys but not remove them."""
        if not isinstance(variants, dict):
            return variants
        return {name: changes for name, changes in variants.items() if changes is not None}

    @field_validator("methods")
    @classmethod
    def _of_methods(cls, variants: Changes) -> Changes:
        for name, changes in variants.items():
            offline = changes.get("offline", {})
            inside = isinstance(offline, dict) and set(offline) <= {"distillation"}
            if not inside or not set(changes) <= {"fmq", "online", "offline", "settings"}:
                raise ValueError(
                    f"{name!r} changes too much; a variant may change fmq, online, "
                    "offline.distillation and, for a method in a file, settings"
                )
        return variants

    @field_validator("samplers")
    @classmethod
    def _of_samplers(cls, variants: Changes) -> Changes:
        refuse_foreign(variants, {"best_of_n", "qgbs"})
        for name, changes in variants.items():
            base, _, word = name.partition(SIGN)
            if base == "qgbs" and not all(key.startswith("qgbs_") for key in changes):
                raise ValueError(f"{name!r} changes other settings than qgbs_*")
            if base == "best_of_n" and (
                set(changes) != {"samples"} or word != str(*changes.values())
            ):
                raise ValueError(f"{name!r} must be best_of_n@N: {{samples: N}}")
        return variants


def base_name(name: str) -> str:
    """Return the method or sampler that a variant changes; other names are returned as they are."""
    return name.partition(SIGN)[0]


def refuse_foreign(variants: Changes, bases: Collection[str], where: str = "") -> None:
    """Raise `ValueError` for a variant of anything but `bases`, or one without changes."""
    for name, changes in variants.items():
        if not _NAME.fullmatch(name) or base_name(name) not in bases:
            raise ValueError(
                f"{where}{name!r} is not NAME@WORD; NAME is one of {', '.join(sorted(bases))}, and "
                "WORD has lowercase letters, digits, dots and hyphens"
            )
        if not changes:
            raise ValueError(f"{where}{name!r} changes nothing")
