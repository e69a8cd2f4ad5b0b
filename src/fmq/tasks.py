"""A task: which simulator and data set its name means, and how its rewards and chunks are read."""

import re
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from fmq.errors import UserError
from fmq.section import Section

Suite = Literal["ogbench", "robomimic"]

MAZE = r"(?:point|ant|humanoid)maze-(?:medium|large|giant)-(?:navigate|stitch|explore)"
MANIPULATION = r"(?:cube-(?:single|double|triple|quadruple)|scene|puzzle-(?:3x3|4x4|4x5|4x6))"
_OGBENCH = re.compile(rf"({MAZE}|{MANIPULATION}-(?:play|noisy))-singletask(-task[1-5])?-v0")

ROBOSUITE = {"lift": "Lift", "can": "PickPlaceCan", "square": "NutAssemblySquare"}
"""Names of robosuite's simulators, by RoboMimic's name of the task."""

_MAZE = re.compile(f"{MAZE}-singletask")
_ROBOMIMIC = re.compile(rf"({'|'.join(ROBOSUITE)})-mh-low_dim")


class TaskSettings(Section):
    """What may differ from task to task."""

    discount: float = Field(default=0.99, gt=0, lt=1, description="gamma, per environment step")
    chunk_length: int = Field(default=5, ge=1, le=100, description="H, actions executed open loop")
    fql_alpha: float = Field(
        default=10.0, ge=0, description="weight of distillation against Q in QC-FQL"
    )
    sparse_reward: bool = Field(default=False, description="map every non-zero reward to -1")
    episode_limit: int | None = Field(
        default=None, ge=1, description="environment steps per episode; null takes the suite's own"
    )


@dataclass(frozen=True)
class Task:
    """A problem of one simulator, one goal and one data set.

    Attributes:
        name: full name, e.g. ``pointmaze-medium-navigate-singletask-task2-v0``.
        suite: whose simulator, data format and conventions it has.
        environment: gymnasium id, or robosuite's name of the simulator.
        dataset: name of the data set; in OGBench, sister tasks share it.
        settings: discount, chunk length, reward and episode limit.
    """

    name: str
    suite: Suite
    environment: str
    dataset: str
    settings: TaskSettings


def is_maze(name: str) -> bool:
    """Whether a task is a way through a maze, which can be drawn from above."""
    return _MAZE.match(name) is not None


def parse_task(name: str, settings: TaskSettings) -> Task:
    """Read a task's name; `UserError` if it is none."""
    if match := _ROBOMIMIC.fullmatch(name):
        return Task(name, "robomimic", ROBOSUITE[match[1]], name, settings)
    if match := _OGBENCH.fullmatch(name):
        family, number = match[1], match[2] or ""
        environment = f"{family.rpartition('-')[0]}-singletask{number}-v0"
        return Task(name, "ogbench", environment, f"{family}-v0", settings)
    raise UserError(
        f"tasks: unknown task {name!r}; allowed are OGBench single-task names such as "
        "cube-double-play-singletask-task3-v0 and RoboMimic's "
        f"{{{','.join(ROBOSUITE)}}}-mh-low_dim"
    )
