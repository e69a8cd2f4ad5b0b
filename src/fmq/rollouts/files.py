"""Read and write recorded episodes: `rollouts-IDENTITY.npz`, with a JSON text and arrays."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fmq.base.errors import UserError
from fmq.base.files import atomic_path
from fmq.envs.environment import FloorPlan
from fmq.pipeline.identity import settings_hash
from fmq.pipeline.rollouts import rollout_file, rollout_settings
from fmq.pipeline.runs import Run


class Recorded(NamedTuple):
    """A recorded episode.

    Attributes:
        number: its number in the evaluation.
        start: its seed.
        success: whether it was solved.
        states: the states before and after every step (`fmq.envs.environment.Visible.state`),
            float32, shape (steps + 1, S).
        plan: the floor plan of its maze, or None.
    """

    number: int
    start: int
    success: bool
    states: np.ndarray
    plan: FloorPlan | None

    @property
    def length(self) -> int:
        """Return the number of environment steps."""
        return len(self.states) - 1


class Rollouts(NamedTuple):
    """Recorded episodes of one evaluation of a run's last checkpoint.

    Attributes:
        shown: the recorded episodes.
        episodes: number of episodes in the evaluation.
        successes: number of these that were counted as solved.
        different: number of episodes that differed when the evaluation was repeated for the
            recording.
    """

    shown: list[Recorded]
    episodes: int
    successes: int
    different: int


def write_rollouts(path: Path, run: Run, rollouts: Rollouts) -> None:
    """Write recorded episodes, atomically."""
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
    """Read the recorded episodes of a run.

    Raises:
        UserError: the file is missing, damaged, or was made with other settings.
    """
    method = run.name.removeprefix("finetune-")
    path = rollout_file(run, results)
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
    except Exception:  # zipfile and numpy may raise any exception on invalid bytes
        raise UserError(f"{path}: damaged or cut off; {again}") from None


def _episode(arrays: Any, number: int, start: int, success: bool) -> Recorded:
    plan = None
    if f"walls{number}" in arrays:
        walls, cell, corner, goal, reach = (arrays[f"{n}{number}"] for n in FloorPlan._fields)
        plan = FloorPlan(walls, float(cell), corner, goal, float(reach))
    return Recorded(number, start, bool(success), arrays[f"states{number}"], plan)
