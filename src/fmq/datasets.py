"""Where a study's data sets come from: a script, random actions, their publisher, or a file."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeGuard

from pydantic import Field, model_validator

from fmq.data.sources import find_source
from fmq.errors import UserError
from fmq.messages import shown
from fmq.section import Section
from fmq.tasks import MANIPULATION, OGBENCH_DATA, ROBOSUITE, Reading, Suite, is_own_name

_OGBENCH = re.compile(rf"{OGBENCH_DATA}-v0")
_KNOWN = re.compile(rf"{OGBENCH_DATA}-v0|(?:{'|'.join(ROBOSUITE)})-mh-low_dim")
_SCRIPTED = re.compile(
    rf"pointmaze-(?:medium|large|giant)-navigate-v0|(?!cube-octuple){MANIPULATION}-play-v0|"
    r"(?:lift|can)-mh-low_dim"
)

LONGEST_DEMONSTRATION = 1000  # rows; RoboMimic's multi-human ones take 100 to 400 on average
UNKNOWN_ROWS = 1_000_000
_ROW_BYTES = {"ogbench": 30, "robomimic": 500}  # at least: a pointmaze's, and Lift's packed


class _Source(Section):
    """A data set; of another kind's settings, what an overlay left is dropped."""

    @model_validator(mode="before")
    @classmethod
    def _without_leftovers(cls, values: Any) -> Any:
        # Overlays merge key by key, so that another source stands among the former one's keys.
        if not isinstance(values, dict):
            return values
        foreign = {key for kind in _KINDS for key in kind.model_fields} - cls.model_fields.keys()
        return {key: value for key, value in values.items() if key not in foreign}


class _Generated(_Source):
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


class RandomData(_Generated):
    """A data set of uniformly random actions: a check that a task runs, nothing to learn from."""

    source: Literal["random"]


class OfficialData(_Source):
    """The published data set, from a local copy or its publisher: `fmq/data/sources.yaml`."""

    source: Literal["official"]


class FileData(_Source, Reading):
    """A file that is already here: HDF5 in RoboMimic's format, or an npz in OGBench's."""

    source: Literal["file"]
    path: str = Field(
        min_length=1, description="of the file, from the folder that snakemake runs in; ~ is home"
    )

    @property
    def file(self) -> Path:
        """Where the file is."""
        return Path(self.path).expanduser()


GeneratedData = ScriptedData | RandomData
DatasetSettings = Annotated[
    ScriptedData | RandomData | OfficialData | FileData, Field(discriminator="source")
]
_KINDS = (ScriptedData, RandomData, OfficialData, FileData)


def is_generated(settings: DatasetSettings) -> TypeGuard[GeneratedData]:
    """Whether the data set is made on this machine."""
    return isinstance(settings, GeneratedData)


def suite_of(dataset: str) -> Suite:
    """Whose file format and simulators a data set has."""
    return "ogbench" if _OGBENCH.fullmatch(dataset) else "robomimic"


def simulator_of(dataset: str) -> str:
    """The simulator behind a data set: robosuite's name, or OGBench's gymnasium id without a task.

    ``can-mh-low_dim`` gives ``PickPlaceCan``, ``cube-double-play-v0`` gives ``cube-double-v0``.
    There is none behind the name of a file of one's own.
    """
    if suite_of(dataset) == "robomimic":
        return ROBOSUITE[dataset.partition("-")[0]]
    family, version = dataset.rsplit("-", 1)
    return f"{family.rpartition('-')[0]}-{version}"


def training_file(dataset: str) -> str:
    """Name of the file that runs learn from, in the data set's folder."""
    return f"{dataset}.{'hdf5' if suite_of(dataset) == 'robomimic' else 'npz'}"


def expected_rows(dataset: str, settings: DatasetSettings) -> int:
    """Rows of the training file; a million where they are not known."""
    if is_generated(settings):
        return settings.episodes * (settings.episode_length + 1)
    if isinstance(settings, FileData):
        if not settings.file.is_file():
            return UNKNOWN_ROWS
        size = settings.file.stat().st_size // _ROW_BYTES[suite_of(dataset)]
        return min(size, UNKNOWN_ROWS)  # it may hold pictures as well
    source = find_source(dataset)
    if source.demonstrations:
        return source.demonstrations * LONGEST_DEMONSTRATION
    return source.rows or UNKNOWN_ROWS


def check_source(dataset: str, settings: DatasetSettings) -> None:
    """Raise `UserError` if there is no such data set, or not from where its settings say."""
    if isinstance(settings, FileData):
        _check_file_settings(dataset, settings)
    elif _KNOWN.fullmatch(dataset) is None:
        raise UserError(
            f"datasets: unknown data set {shown(dataset)}; allowed are OGBench names such as "
            f"cube-double-play-v0, {{{','.join(ROBOSUITE)}}}-mh-low_dim, and with `source: file` "
            "a name of your own"
        )
    if settings.source == "official":
        find_source(dataset)
    if settings.source == "scripted" and _SCRIPTED.fullmatch(dataset) is None:
        raise UserError(
            f"datasets.{dataset}: no scripted expert makes it (ants and humanoids need trained "
            "ones); take `source: official`, or `random` to try a task out. Scripted are "
            "pointmaze-{medium,large,giant}-navigate-v0, play sets of scene, puzzles and up to "
            "four cubes, lift-mh-low_dim and can-mh-low_dim"
        )


def _check_file_settings(dataset: str, settings: FileData) -> None:
    if suite_of(dataset) == "robomimic":
        if not is_own_name(dataset):
            raise UserError(
                f"datasets: {shown(dataset)} cannot be the name of a file of your own; allowed are "
                "up to 100 letters, digits, - and _, and no name of OGBench's"
            )
    elif settings != FileData(source="file", path=settings.path):
        raise UserError(
            f"datasets.{dataset}: observations and mask are of HDF5 files, and OGBench's are npz; "
            "leave them out"
        )


def refuse_missing_files(datasets: Mapping[str, DatasetSettings]) -> None:
    """Raise `UserError` unless every file of the study's own is there."""
    for name, settings in datasets.items():
        if isinstance(settings, FileData) and not settings.file.is_file():
            raise UserError(
                f"datasets.{name}.path: no file {shown(settings.path)} (looked for "
                f"{settings.file.absolute()}); name one that is there"
            )
