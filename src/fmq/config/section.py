"""The base class of every group of settings, and one-line descriptions of errors in them."""

from typing import Any, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from fmq.base.messages import shown
from fmq.base.values import LARGEST


class Section(BaseModel):
    """A group of settings that refuses unknown keys and is immutable.

    Numbers are finite, integers fit into 64 bits, text is printable and on one line, and only
    boolean settings accept true or false. A number may be given as text.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _switches(cls, values: Any) -> Any:
        """Refuse 1 for true and, above all, true for 1: pydantic converts between them."""
        for name, value in values.items() if isinstance(values, dict) else ():
            field = cls.model_fields.get(name)
            if field is None:
                continue
            for one in _items(value):
                if isinstance(one, bool) is not (field.annotation is bool):
                    expected = (
                        "true or false" if field.annotation is bool else "neither true nor false"
                    )
                    raise ValueError(f"{name} must be {expected}, got {shown(one)}")
        return values

    @model_validator(mode="after")
    def _plain(self) -> Self:
        for name in type(self).model_fields:
            for value in _items(getattr(self, name)):
                if isinstance(value, int) and abs(value) > LARGEST:
                    raise ValueError(f"{name} must be at most {LARGEST}, got {shown(value)}")
                if isinstance(value, str) and not value.isprintable():
                    raise ValueError(
                        f"{name} must be printable and on one line, got {shown(value)}"
                    )
        return self


def overlaid(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Lay `changes` over `values`: mappings merge key by key, everything else is replaced."""
    merged = dict(values)
    for key, change in changes.items():
        before = merged.get(key)
        if isinstance(before, dict) and isinstance(change, dict):
            change = overlaid(before, change)
        merged[key] = change
    return merged


def find_setting(settings: Section, place: str) -> tuple[Section, str]:
    """Return the section and the key of the setting ``SECTION.KEY``; `ValueError` if none is."""
    name, _, key = place.partition(".")
    section = getattr(settings, name) if name in type(settings).model_fields else None
    if not isinstance(section, Section) or key not in type(section).model_fields:
        raise ValueError(f"no setting {place!r}; settings are named like sampling.flow_steps")
    return section, key


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """Describe the first error on one line: key, reason, and what is allowed or was found."""
    first = error.errors()[0]
    key = _key(first["loc"], model)
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return f"{key}: missing"
    if first["type"].startswith("union_tag"):
        kinds = [kind for one in _models_at(first["loc"], model) for kind in _kinds(one)]
        tag = first["ctx"]["discriminator"].strip("'")
        found = first["input"].get(tag)
        got = found if isinstance(found, str) else shown(found)
        return f"{key}.{tag}: allowed are {', '.join(kinds)}; got {got if found else 'nothing'}"
    if first["type"] in ("model_type", "dict_type", "model_attributes_type"):
        return f"{key}: expected a group of settings, got {shown(first['input'])}"
    if first["type"] == "extra_forbidden":
        allowed = _models_at(first["loc"][:-1], model)[0].model_fields
        return f"{key}: unknown key; allowed: {', '.join(allowed)}"
    if first["type"] == "string_type":
        return f"{key}: must be text, got {shown(first['input'])}; put it in quotes"
    # Printing a whole section would add nothing to the reason.
    return f"{key}: {reason}".removeprefix(": ") + (
        "" if isinstance(first["input"], dict) else f", got {shown(first['input'])}"
    )


def _key(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    """Return the key as written in a file, without the union tags that pydantic puts into it."""
    parts = [
        part
        for place, part in enumerate(location)
        if not any(part in _kinds(one) for one in _models_at(location[:place], model))
    ]
    return ".".join(map(str, parts))


def _models_at(location: tuple[int | str, ...], model: type[BaseModel]) -> list[type[BaseModel]]:
    """Return the sections possible at a location: several in a union that is not yet resolved."""
    models = [model]
    for part in location:
        fields = [one.model_fields[part] for one in models if part in one.model_fields]
        # A part that is not a field is a union tag, or the key of an entry in a mapping.
        kinds = [one for one in models if part in _kinds(one)]
        models = kinds or [one for field in fields for one in _sections(field.annotation)] or models
    return models


def _kinds(model: type[BaseModel]) -> list[Any]:
    """Return the literal values of a section's fields, which identify its kind in a union."""
    annotations = [field.annotation for field in model.model_fields.values()]
    return [kind for one in annotations if get_origin(one) is Literal for kind in get_args(one)]


def _sections(annotation: Any) -> list[type[BaseModel]]:
    """Return every section class inside an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [one for part in get_args(annotation) for one in _sections(part)]
