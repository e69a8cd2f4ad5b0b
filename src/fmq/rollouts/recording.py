"""Repeat an evaluation exactly and keep the states of some of its episodes.

The noise of an episode's chunks depends on the episodes beside it, because one generator serves
all episodes that run in lockstep. An episode run alone would be a different one. So the whole
evaluation is repeated with the same starts and noise, and compared with the counted results.
"""

import sys
from pathlib import Path
from typing import Any

import pandas as pd

from fmq.acting.device import claim_of_last_evaluation
from fmq.acting.evaluation import Evaluator, check_record, evaluation_starts, load_policy
from fmq.analysis.inputs.evaluations import read_evaluation
from fmq.base.errors import UserError
from fmq.base.progress import progress
from fmq.config.study import Study
from fmq.envs.making import make_environment
from fmq.envs.simulators import LocalSimulators
from fmq.pipeline.paths import evaluation_file
from fmq.pipeline.rollouts import rollout_file, shown_episodes
from fmq.pipeline.runs import Run, make_run
from fmq.rollouts.files import Rollouts, write_rollouts
from fmq.rollouts.recorder import Recorder

Rows = list[dict[Any, Any]]


def record_rollouts(study: Study, task: str, seed: int, method: str, results: Path) -> None:
    """Record episodes of the last evaluation of a method's run (`rollout_file`).

    Raises:
        UserError: the evaluation is missing, was made with other settings, or has none of the
            episodes.
    """
    run = make_run(study, task, seed, f"finetune-{method}")
    path = evaluation_file(run, run.sampler, results)
    check_record(path, run, run.sampler, results)
    numbers = shown_episodes(study)
    if not numbers:
        raise UserError(
            f"rollouts.episodes: {study.rollouts.episodes}, but an evaluation has "
            f"{study.evaluation.episodes} episodes, counted from 0"
        )
    rollouts = _repeat(run, numbers, read_evaluation(path), results)
    if rollouts.different:
        told = f"{rollouts.different} of {rollouts.episodes} episodes differ"
        print(f"{run}: {told} from those that were counted; pictures say so", file=sys.stderr)
    write_rollouts(rollout_file(run, results), run, rollouts)


def _repeat(run: Run, numbers: list[int], counted: pd.DataFrame, results: Path) -> Rollouts:
    starts = evaluation_starts(run, run.last_step)
    kept = [starts[number] for number in numbers]
    claim = claim_of_last_evaluation(run)
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
    of = {start: recorder for recorder in recorders for start in recorder.taken}
    shown = [
        of[start].recorded(number, start, bool(rows[number]["success"]))
        for number, start in zip(numbers, kept, strict=True)
    ]
    successes = int(counted["success"].sum())
    return Rollouts(shown, len(rows), successes, count_different(rows, counted.to_dict("records")))


def count_different(rows: Rows, counted: Rows) -> int:
    """Return how many rows of the repeated evaluation differ from the counted ones."""
    same = sum(row == other for row, other in zip(rows, counted, strict=False))
    return max(len(rows), len(counted)) - same
