"""Run an evaluation again, as it was, and keep the states of some of its episodes.

Which noise an episode's chunks get depends on the episodes beside it: one generator serves all that
run in lockstep, in the order in which they run. An episode alone would be another one. So the whole
evaluation is repeated, from the same starts and the same noise, and held against what was counted.
"""

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np

from fmq import paths
from fmq.envs.environment import FloorPlan, Transition, Visible, make_environment
from fmq.envs.simulators import LocalSimulators
from fmq.errors import UserError
from fmq.evaluation import Evaluator, check_record, evaluation_starts, load_policy
from fmq.progress import progress
from fmq.rollouts.files import Recorded, Rollouts, write_rollouts
from fmq.rollouts.selection import shown_episodes
from fmq.runs import Run, evaluation_file, make_run
from fmq.settings import Study
from fmq.training.device import claim_device

Rows = list[dict[str, Any]]


class Recorder:
    """A simulator that keeps the states of the episodes in `kept`, by their starts."""

    def __init__(self, environment: Visible, kept: dict[int, list[np.ndarray]]) -> None:
        self.environment = environment
        self.action_size = environment.action_size
        self.kept = kept
        self.plans: dict[int, FloorPlan | None] = {}
        self.states: list[np.ndarray] | None = None

    def reset(self, seed: int) -> np.ndarray:
        """As the simulator's own."""
        observation = self.environment.reset(seed)
        self.states = self.kept.get(seed)
        if self.states is not None:
            self.plans[seed] = self.environment.floor_plan()
            self.states.append(self.environment.state())
        return observation

    def step(self, action: np.ndarray) -> Transition:
        """As the simulator's own."""
        transition = self.environment.step(action)
        if self.states is not None:
            self.states.append(self.environment.state())
        return transition


def record_rollouts(study: Study, task: str, seed: int, method: str, results: Path) -> None:
    """Write `rollouts-METHOD.npz`: episodes of the last evaluation of a method's run.

    Raises:
        UserError: the evaluation is missing or of other settings, or has none of the episodes.
    """
    run = make_run(study, task, seed, f"finetune-{method}")
    counted = read_counted(run, results)
    numbers = shown_episodes(study)
    if not numbers:
        raise UserError(
            f"rollouts.episodes: {study.rollouts.episodes}, and an evaluation has "
            f"{study.evaluation.episodes}; the first is 0"
        )
    rollouts = _repeat(run, numbers, counted, results)
    if rollouts.different:
        told = f"{rollouts.different} of {rollouts.episodes} episodes came out otherwise"
        print(f"{run}: {told} than they were counted; pictures will say so", file=sys.stderr)
    write_rollouts(paths.rollout_file(results, task, seed, method), run, rollouts)


def read_counted(run: Run, results: Path) -> list[dict[str, str]]:
    """The rows of the last evaluation, as text.

    Raises:
        UserError: they are missing, or made with other settings.
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
        for _ in range(run.study.evaluation.simulators)
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
    """How many of an evaluation's rows are not, to the digit, those that were counted."""
    told = [{key: str(value) for key, value in row.items()} for row in rows]
    same = sum(row == other for row, other in zip(told, counted, strict=False))
    return max(len(told), len(counted)) - same
