"""Small policies under the authors' names, to run `config/authors.yaml` without a network."""

from collections.abc import Iterable
from pathlib import Path

import yaml
from helpers.flax import write_agent

from fmq.config import sources
from fmq.config.sources import remote_policy

SOURCE = "flow-map-policies"
SMALL = """
networks: {hidden_width: 16, hidden_layers: 2, time_features: 4}
evaluation: {episodes: 2, environments: 2}
statistics: {resamples: 200}
sampling: {samples: 4}
"""
"""Settings that the small policies fit, laid over those of the authors' study."""

_SIZES = {  # observation and action, by the beginning of a task's name
    "can": (23, 7),
    "square": (23, 7),
    "cube-double": (37, 5),
    "cube-triple": (46, 5),
    "scene": (40, 5),
    "humanoidmaze": (69, 21),
    "antmaze": (29, 8),
}


def publish(folder: Path, tasks: Iterable[str], seeds: Iterable[int]) -> None:
    """Write a small policy for each task and seed, under the path that the authors gave it."""
    seeds = list(seeds)
    for task in tasks:
        observation, action = next(n for name, n in _SIZES.items() if task.startswith(name))
        for seed in seeds:
            write_agent(published(folder, task, seed), seed, 16, observation, action, times=4)


def published(folder: Path, task: str, seed: int) -> Path:
    """Where a policy lies in the publisher's folder."""
    return folder / remote_policy(SOURCE, task, seed).path


def point(table: Path, *addresses: str) -> None:
    """Write the table of sources with other addresses of the authors' policies."""
    values = yaml.safe_load(sources.TABLE.read_text())
    values["hosts"][SOURCE]["addresses"] = [*addresses]
    table.write_text(yaml.safe_dump(values))


def spoil(folder: Path, damaged: list[tuple[str, int]]) -> None:
    """Cut off the first of three policies, give the second another layout, delete the third."""
    truncated, foreign, missing = (published(folder, *place) for place in damaged)
    truncated.write_bytes(truncated.read_bytes()[:-200])
    foreign.write_bytes(b"\x80\x04}\x94\x8c\x06params\x94}\x94s.")  # {"params": {}}
    missing.unlink()
