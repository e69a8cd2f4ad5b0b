"""A task: which simulator and data set its name means, and how its rewards and chunks are read."""

import re
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from fmq.errors import UserError

_MAZE = r"(?:point|ant|humanoid)maze-(?:medium|large|giant)-(?:navigate|stitch|explore)"
_CUBE = r"cube-(?:single|double|triple|quadruple)"
_PUZZLE = r"puzzle-(?:3x3|4x4|4x5|4x6)"
_MANIPULATION = rf"(?:{_CUBE}|scene|{_PUZZLE})-(?:play|noisy)"
_NAME = re.compile(rf"({_MAZE}|{_MANIPULATION})-singletask(-task[1-5])?-v0")

_GENERATED = re.compile(
    rf"(pointmaze-(?:medium|large|giant))-navigate(-v0)|({_CUBE}|scene|{_PUZZLE})-play(-v0)"
)


class TaskSettings(BaseModel):
    """What may differ from task to task."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    discount: float = Field(0.99, gt=0, lt=1, description="gamma, per environment step")
    chunk_length: int = Field(5, ge=1, le=100, description="H, actions executed open loop")
    sparse_reward: bool = Field(False, description="map every non-zero reward to -1")
    episode_limit: int | None = Field(
        None, ge=1, description="environment steps per episode; null takes the simulator's own"
    )


@dataclass(frozen=True)
class Task:
    """A single-task problem.

    Attributes:
        name: full name, e.g. ``pointmaze-medium-navigate-singletask-task2-v0``.
        environment: gymnasium id of the simulator (the name without the data-set word).
        dataset: name of the data set that serves it and its sister tasks.
        settings: discount, chunk length, reward and episode limit.
    """

    name: str
    environment: str
    dataset: str
    settings: TaskSettings


def parse_task(name: str, settings: TaskSettings) -> Task:
    """Read an OGBench single-task name; `UserError` if it is none."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise UserError(
            f"tasks: unknown task {name!r}; allowed are OGBench single-task names such as "
            "pointmaze-medium-navigate-singletask-task2-v0 or cube-double-play-singletask-task3-v0"
        )
    family, number = match[1], match[2] or ""
    environment = family.rpartition("-")[0]
    return Task(
        name=name,
        environment=f"{environment}-singletask{number}-v0",
        dataset=f"{family}-v0",
        settings=settings,
    )


def generated_environment(dataset: str) -> str:
    """The gymnasium id of a data set's simulator; `UserError` if no scripted expert makes it."""
    match = _GENERATED.fullmatch(dataset)
    if match is None:
        raise UserError(
            f"datasets: {dataset!r} cannot be generated, since ant and humanoid mazes need trained "
            "experts and other kinds have no generator; allowed are "
            "pointmaze-{medium,large,giant}-navigate-v0, "
            "cube-{single,double,triple,quadruple}-play-v0, scene-play-v0 and "
            "puzzle-{3x3,4x4,4x5,4x6}-play-v0"
        )
    return "".join(part for part in match.groups() if part)
