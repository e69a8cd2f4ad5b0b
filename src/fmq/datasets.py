"""Where a study's data sets come from: a script, random actions, or their publisher."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from fmq.data.sources import find_source
from fmq.errors import UserError
from fmq.section import Section
from fmq.tasks import MANIPULATION, MAZE, ROBOSUITE, Suite

_KNOWN = re.compile(
    rf"(?:{MAZE}|{MANIPULATION}-(?:play|noisy))-v0|(?:{'|'.join(ROBOSUITE)})-mh-low_dim"
)
_SCRIPTED = re.compile(
    rf"pointmaze-(?:medium|large|giant)-navigate-v0|{MANIPULATION}-play-v0|(?:lift|can)-mh-low_dim"
)


LONGEST_DEMONSTRATION = 1000  # rows; RoboMimic's multi-human ones take 100 to 400 on average


class _Generated(Section):
    """Made on this machine; the same settings give the same bytes."""

    episodes: int = Field(ge=2, description="training episodes")
    validation_episodes: int = Field(
        ge=1, description="more episodes, for validation; of RoboMimic's sets runs use these too"
    )
    episode_length: int = Field(ge=2, description="actions per episode; RoboMimic's may end sooner")
    seed: int = Field(ge=0, description="same seed, same bytes")


class ScriptedData(_Generated):
    """A data set made by a scripted expert."""

    source: Literal["scripted"]
    action_noise: float = Field(ge=0, description="standard deviation added to the expert's action")


def _without_leftovers(cls: type[Section], values: Any) -> Any:
    """Drop what an overlay left of a scripted set's settings: overlays merge key by key."""
    if not isinstance(values, dict):
        return values
    foreign = ScriptedData.model_fields.keys() - cls.model_fields.keys()
    return {key: value for key, value in values.items() if key not in foreign}


class RandomData(_Generated):
    """A data set of uniformly random actions: a check that a task runs, nothing to learn from."""

    _leftovers = model_validator(mode="before")(_without_leftovers)
    source: Literal["random"]


class OfficialData(Section):
    """The published data set, from a local copy or its publisher: `fmq/data/sources.yaml`."""

    _leftovers = model_validator(mode="before")(_without_leftovers)

    source: Literal["official"]


GeneratedData = ScriptedData | RandomData
DatasetSettings = Annotated[ScriptedData | RandomData | OfficialData, Field(discriminator="source")]


def suite_of(dataset: str) -> Suite:
    """Whose file format and simulators a data set has."""
    return "robomimic" if dataset.endswith("-mh-low_dim") else "ogbench"


def simulator_of(dataset: str) -> str:
    """The simulator behind a data set: robosuite's name, or OGBench's gymnasium id without a task.

    ``can-mh-low_dim`` gives ``PickPlaceCan``, ``cube-double-play-v0`` gives ``cube-double-v0``.
    """
    if suite_of(dataset) == "robomimic":
        return ROBOSUITE[dataset.partition("-")[0]]
    family, version = dataset.rsplit("-", 1)
    return f"{family.rpartition('-')[0]}-{version}"


def training_file(dataset: str) -> str:
    """Name of the file that runs learn from, in the data set's folder."""
    return f"{dataset}.{'hdf5' if suite_of(dataset) == 'robomimic' else 'npz'}"


def expected_rows(dataset: str, settings: DatasetSettings) -> int:
    """Rows of the training file; a million where an official set's are not known."""
    if settings.source != "official":
        return settings.episodes * (settings.episode_length + 1)
    source = find_source(dataset)
    if source.demonstrations:
        return source.demonstrations * LONGEST_DEMONSTRATION
    return source.rows or 1_000_000


def check_source(dataset: str, settings: DatasetSettings) -> None:
    """Raise `UserError` if there is no such data set, or not from where its settings say."""
    if _KNOWN.fullmatch(dataset) is None:
        raise UserError(
            f"datasets: unknown data set {dataset!r}; allowed are OGBench names such as "
            f"cube-double-play-v0, and {{{','.join(ROBOSUITE)}}}-mh-low_dim"
        )
    if settings.source == "official":
        find_source(dataset)
    if settings.source == "scripted" and _SCRIPTED.fullmatch(dataset) is None:
        raise UserError(
            f"datasets.{dataset}: no scripted expert makes it (ant and humanoid mazes need trained "
            "ones); take `source: official`, or `random` to try a task out. Scripted are "
            "pointmaze-{medium,large,giant}-navigate-v0, cube, scene and puzzle play sets, "
            "lift-mh-low_dim and can-mh-low_dim"
        )
