"""Repeat an evaluation exactly and keep the states of some of its episodes.

The noise of an episode's chunks depends on the episodes beside it, because one generator serves
all episodes that run in lockstep. An episode run alone would be a different one. So the whole
evaluation is repeated with the same starts and noise, and compared with the counted results.
"""

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np

from fmq.acting.device import claim_device
from fmq.acting.evaluation import Evaluator, check_record, evaluation_starts, load_policy
from fmq.base.errors import UserError
from fmq.base.progress import progress
from fmq.config.study import Study
from fmq.envs.environment import FloorPlan, Transition, Visible
from fmq.envs.making import make_environment
from fmq.envs.simulators import LocalSimulators
from fmq.pipeline.paths import evaluation_file
from fmq.pipeline.rollouts import rollout_file, shown_episodes
from fmq.pipeline.runs import Run, make_run
from fmq.rollouts.files import Recorded, Rollouts, write_rollouts

Rows = list[dict[str, Any]]


class Recorder:
    """A simulator that records the states of the episodes whose seeds are in `kept`."""

    def __init__(self, environment: Visible, kept: dict[int, list[np.ndarray]]) -> None:
        self.environment = environment
        self.action_size = environment.action_size
        self.kept = kept
        self.plans: dict[int, FloorPlan | None] = {}
        self.states: list[np.ndarray] | None = None

    def reset(self, seed: int) -> np.ndarray:
        """Reset the simulator and, if the episode is kept, record its first state."""
        observation = self.environment.reset(seed)
        self.states = self.kept.get(seed)
        if self.states is not None:
            self.plans[seed] = self.environment.floor_plan()
            self.states.append(self.environment.state())
        return observation

    def step(self, action: np.ndarray) -> Transition:
        """Step the simulator and, if the episode is kept, record its state."""
        transition = self.environment.step(action)
        if self.states is not None:
            self.states.append(self.environment.state())
        return transition


def record_rollouts(study: Study, task: str, seed: int, method: str, results: Path) -> None:
    """Record episodes of the last evaluation of a method's run (`rollout_file`).

    Raises:
        UserError: the evaluation is missing, was made with other settings, or has none of the
            episodes.
    """
    run = make_run(study, task, seed, f"finetune-{method}")
    counted = read_counted(run, results)
    numbers = shown_episodes(study)
    if not numbers:
        raise UserError(
            f"rollouts.episodes: {study.rollouts.episodes}, but an evaluation has "
            f"{study.evaluation.episodes} episodes, counted from 0"
        )
    rollouts = _repeat(run, numbers, counted, results)
    if rollouts.different:
        told = f"{rollouts.different} of {rollouts.episodes} episodes differ"
        print(f"{run}: {told} from those that were counted; pictures say so", file=sys.stderr)
    write_rollouts(rollout_file(run, results), run, rollouts)


def read_counted(run: Run, results: Path) -> list[dict[str, str]]:
    """Read the rows of the last evaluation, as text.

    Raises:
        UserError: the evaluation is missing or was made with other settings.
    """
    path = evaluation_file(run, run.sampler, results)
    check_record(path, run, run.sampler)
    try:
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {error}; evaluate again") from None


def _repeat(run: Run, numbers: list[int], counted: list[dict[str, str]], results: Path) -> Rollouts:
    starts = evaluation_starts(run, run.last_step)
    kept: dict[int, list[np.ndarray]] = {starts[number]: [] for number in numbers}
    claim = claim_device(run.study)
    policy = load_policy(run, run.sampler, results, claim.device)
    evaluator = Evaluator(run, results)
    recorders = [
        Recorder(make_environment(run.task, evaluator.data), kept)
        for _ in range(run.bound.evaluation.simulators)
    ]
    evaluator.simulators = LocalSimulators(recorders)
    with progress(f"rollouts {run}", len(starts), "episodes") as beat:
        rows = evaluator.episodes(run, policy.act, run.sampler, run.last_step)
        beat.advance(len(rows))
    plans = {start: plan for recorder in recorders for start, plan in recorder.plans.items()}
    shown = [
        Recorded(
            number,
            starts[number],
            bool(rows[number]["success"]),
            np.stack(kept[starts[number]]).astype(np.float32),
            plans[starts[number]],
        )
        for number in numbers
    ]
    successes = sum(row.get("success") == "1" for row in counted)
    return Rollouts(shown, len(rows), successes, count_different(rows, counted))


def count_different(rows: Rows, counted: list[dict[str, str]]) -> int:
    """Return how many rows of the repeated evaluation differ from the counted ones."""
    told = [{key: str(value) for key, value in row.items()} for row in rows]
    same = sum(row == other for row, other in zip(told, counted, strict=False))
    return max(len(told), len(counted)) - same
