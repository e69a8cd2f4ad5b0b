"""Tasks: parse a task's name into its simulator and data set, with its settings."""

import re
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, field_validator

from fmq.base.errors import UserError
from fmq.base.messages import shown
from fmq.config.section import Section

Suite = Literal["ogbench", "robomimic"]

_ROOMS = r"(?:point|ant|humanoid)maze-(?:medium|large|giant|teleport)|antsoccer-(?:arena|medium)"
MAZE = rf"(?:{_ROOMS})-(?:navigate|stitch|explore)"
MANIPULATION = (
    r"(?:cube-(?:single|double|triple|quadruple|octuple)|scene|puzzle-(?:3x3|4x4|4x5|4x6))"
)
OGBENCH_DATA = rf"(?:{MAZE}|{MANIPULATION}-(?:play|noisy))"
_OGBENCH = re.compile(rf"({OGBENCH_DATA})-singletask(-task[1-5])?-v0")

_REFUSED = {
    r"visual-.*": "its observations are images, and fmq's networks take vectors",
    r"powderworld-.*": "its actions are discrete and its observations are images",
    r".*-oraclerep-.*": "it differs only in its goals, which a single task does not observe; "
    "remove -oraclerep from the name",
    r".*-100m-.*": "it is published in parts; join them, and use the data set's plain name with "
    "`source: file`",
}
"""Patterns of OGBench names that are not supported, and the reasons."""

ROBOSUITE = {"lift": "Lift", "can": "PickPlaceCan", "square": "NutAssemblySquare"}
"""Names of robosuite's simulators, by RoboMimic's task name."""

EPISODE_LIMITS = {"Lift": 300, "PickPlaceCan": 300, "NutAssemblySquare": 400}
"""Control steps (of 1/20 s) per episode, by robosuite's name of the simulator."""

_MAZE = re.compile(f"{MAZE}-singletask")
_ROBOMIMIC = re.compile(rf"({'|'.join(ROBOSUITE)})-mh-low_dim")
_OWN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")

IQM = "IQM"
"""The name of the line over all tasks in tables, which no task may have."""

LOW_DIM = ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos", "object")
"""The parts of RoboMimic's low-dimensional observations."""

_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]


class TaskSettings(Section):
    """Settings that may differ from task to task."""

    discount: float = Field(default=0.99, gt=0, lt=1, description="gamma, per environment step")
    chunk_length: int = Field(default=5, ge=1, le=100, description="H, actions executed open-loop")
    fql_alpha: float = Field(
        default=10.0, ge=0, description="weight of distillation relative to Q in QC-FQL"
    )
    sparse_reward: bool = Field(default=False, description="map every non-zero reward to -1")
    episode_limit: int | None = Field(
        default=None,
        ge=1,
        description="environment steps per episode; null takes the suite's limit",
    )
    success_timing: Literal["before", "after"] = Field(
        default="before",
        description="OGBench: the state on which success and reward of a step are judged, before "
        "its action (ogbench from 1.2 on) or after it (1.1.2, which the paper's authors pinned)",
    )
    demonstrations: Literal["first_success", "whole"] = Field(
        default="first_success",
        description="RoboMimic: use demonstrations up to their first success, or whole, with the "
        "file's `dones` as ends of the task (QC's and the authors' released code)",
    )


class Reading(Section):
    """Which parts of an HDF5 file in RoboMimic's format are read."""

    observations: list[_Name] = Field(
        default=[*LOW_DIM],
        min_length=1,
        description="parts of the observation vector in an HDF5 file, in order",
    )
    mask: _Name | None = Field(
        default=None,
        description="name of a list under mask/ in an HDF5 file, of the demonstrations to use; "
        "null uses all",
    )

    @field_validator("observations")
    @classmethod
    def _distinct(cls, names: list[str]) -> list[str]:
        if len(set(names)) < len(names):
            raise ValueError("lists a name twice")
        return names


@dataclass(frozen=True)
class Task:
    """A control problem with one simulator, one goal and one data set.

    Attributes:
        name: full name, e.g. ``pointmaze-medium-navigate-singletask-task2-v0``.
        suite: the suite whose simulator, data format and conventions it follows.
        environment: gymnasium id, or robosuite's name of the simulator; empty if only the data file
            determines it.
        dataset: name of the data set; OGBench's task1 to task5 share one.
        settings: discount, chunk length, reward and episode limit.
        reading: for RoboMimic tasks, the parts of an observation and the demonstrations to use.
    """

    name: str
    suite: Suite
    environment: str
    dataset: str
    settings: TaskSettings
    reading: Reading = field(default_factory=Reading)


def is_maze(name: str) -> bool:
    """Return whether a task is to navigate a maze, which can be drawn from above."""
    return _MAZE.match(name) is not None


def parse_task(name: str, settings: TaskSettings, reading: Reading | None = None) -> Task:
    """Parse a task's name.

    Args:
        name: the task's name.
        settings: the task's settings.
        reading: what to read of the data set of this name, if it is a local file; the task's name
            may then be the user's own.

    Raises:
        UserError: no task has this name, or the task needs an episode limit and has none.
    """
    if match := _OGBENCH.fullmatch(name):
        family, number = match[1], match[2] or ""
        environment = f"{family.rpartition('-')[0]}-singletask{number}-v0"
        return Task(name, "ogbench", environment, f"{family}-v0", settings)
    if match := _ROBOMIMIC.fullmatch(name):
        known = ROBOSUITE[match[1]]
        return Task(name, "robomimic", known, name, settings, reading or Reading())
    if reading is None or not is_own_name(name):
        raise UserError(_refusal(name))
    if settings.episode_limit is None:
        raise UserError(
            f"task_settings.{name}.episode_limit: null, but robosuite's simulators have no limit "
            "of their own; give the environment steps of an episode"
        )
    return Task(name, "robomimic", "", name, settings, reading)


def is_own_name(name: str) -> bool:
    """Return whether a user's own task and HDF5 file may have this name.

    Names of OGBench's tasks and data sets are taken, and so is `IQM`.
    """
    taken = "singletask" in name or name == IQM or re.fullmatch(rf"{OGBENCH_DATA}-v0", name)
    return not taken and _OWN.fullmatch(name) is not None


def _refusal(name: str) -> str:
    if "singletask" in name:
        for pattern, reason in _REFUSED.items():
            if re.fullmatch(pattern, name):
                return f"tasks: {shown(name)} is not supported: {reason}"
    return (
        f"tasks: unknown task {shown(name)}; allowed are OGBench single-task names such as "
        "cube-double-play-singletask-task3-v0, RoboMimic's "
        f"{{{','.join(ROBOSUITE)}}}-mh-low_dim, and names of your own whose data set has "
        "`source: file` (docs/add_task.md)"
    )
