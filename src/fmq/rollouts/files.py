"""Recorded episodes as a file: `rollouts-METHOD.npz`, a JSON text and arrays of numbers."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fmq import paths
from fmq.envs.environment import FloorPlan
from fmq.errors import UserError
from fmq.files import atomic_path
from fmq.rollouts.selection import rollout_settings
from fmq.runs import Run, settings_hash


class Recorded(NamedTuple):
    """An episode.

    Attributes:
        number: in its evaluation.
        start: the seed that names it.
        success: whether it was solved.
        states: before and after every step (`fmq.envs.environment.Environment.state`), float32,
            shape (steps + 1, S).
        plan: of its maze, if it has one.
    """

    number: int
    start: int
    success: bool
    states: np.ndarray
    plan: FloorPlan | None

    @property
    def length(self) -> int:
        """Environment steps."""
        return len(self.states) - 1


class Rollouts(NamedTuple):
    """Episodes of one evaluation of a run's last checkpoint.

    Attributes:
        shown: the recorded ones.
        episodes: how many the evaluation has.
        successes: how many of these were counted as solved.
        different: how many came out otherwise when the evaluation was run again to record them.
    """

    shown: list[Recorded]
    episodes: int
    successes: int
    different: int


def write_rollouts(path: Path, run: Run, rollouts: Rollouts) -> None:
    """Write episodes, whole or not at all."""
    about = {
        "hash": settings_hash(rollout_settings(run)),
        "episodes": rollouts.episodes,
        "successes": rollouts.successes,
        "different": rollouts.different,
        "shown": [[one.number, one.start, one.success] for one in rollouts.shown],
    }
    arrays = {f"states{one.number}": one.states for one in rollouts.shown}
    for one in rollouts.shown:
        plan = one.plan._asdict() if one.plan else {}
        arrays |= {f"{name}{one.number}": np.asarray(part) for name, part in plan.items()}
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, about=np.array(json.dumps(about)), **arrays)


def read_rollouts(results: Path, run: Run) -> Rollouts:
    """The recorded episodes of a run.

    Raises:
        UserError: there are none, they are damaged, or of other settings.
    """
    method = run.name.removeprefix("finetune-")
    path = paths.rollout_file(results, run.task.name, run.seed, method)
    again = f"`fmq rollouts {run.task.name} --seed {run.seed} --method {method}` makes it"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            if about["hash"] != settings_hash(rollout_settings(run)):
                raise UserError(f"{path}: made with other settings; {again}")
            shown = [_episode(arrays, *entry) for entry in about["shown"]]
            counts = [int(about[name]) for name in ("episodes", "successes", "different")]
            return Rollouts(shown, *counts)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {again}") from None
    except UserError:
        raise
    except Exception:  # on bytes that are none of theirs, zipfile and numpy raise any kind
        raise UserError(f"{path}: damaged or cut off; {again}") from None


def _episode(arrays: Any, number: int, start: int, success: bool) -> Recorded:
    plan = None
    if f"walls{number}" in arrays:
        walls, cell, corner, goal, reach = (arrays[f"{n}{number}"] for n in FloorPlan._fields)
        plan = FloorPlan(walls, float(cell), corner, goal, float(reach))
    return Recorded(number, start, bool(success), arrays[f"states{number}"], plan)
