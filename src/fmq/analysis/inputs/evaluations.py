"""Determine which evaluation files a study requires, read one, and check its content."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from fmq.analysis.inputs.csvw import Column, read_table
from fmq.analysis.inputs.problems import MISPLACED, UNEQUAL, Problem
from fmq.pipeline.paths import evaluation_file, run_folder
from fmq.pipeline.runs import EVALUATIONS, Run

STAGES = ("offline", "online")

TASK = Column("string", "name of the task")
SAMPLER = Column("string", "how the policy turned noise into actions")
SEED = Column("integer", "seed of the run", minimum=0)
STAGE = Column("string", "offline or online training", allowed=STAGES)
STEP = Column("integer", "gradient steps offline, environment steps online", minimum=0)

EVALUATION = {
    "task": TASK,
    "run": Column("string", "folder of the run that was evaluated"),
    "sampler": SAMPLER,
    "seed": SEED,
    "stage": STAGE,
    "step": STEP,
    "episode": Column("integer", "number of the episode", minimum=0),
    "success": Column("integer", "1 if the goal was reached, else 0", minimum=0, maximum=1),
    "return": Column("number", "undiscounted sum of rewards"),
    "length": Column("integer", "environment steps", minimum=1),
}
EVALUATION_KEY = ("task", "run", "sampler", "seed", "stage", "step", "episode")


class EvaluationFile(NamedTuple):
    """An evaluation file that a study requires.

    Attributes:
        path: expected place of the file.
        run: run whose policy was evaluated.
        sampler: sampler that the policy acted with.
        steps: steps of the run at which it was evaluated.
    """

    path: Path
    run: Run
    sampler: str
    steps: tuple[int, ...]


def run_stage(run: Run) -> str:
    """Return the stage of training that a run belongs to, one of `STAGES`."""
    return "online" if run.stage == "finetune" else "offline"


def evaluation_files(results: Path, run: Run, sampler: str) -> list[EvaluationFile]:
    """Return the evaluation files of `run` under `sampler`.

    The first holds the evaluation of the last checkpoint. With the run's own sampler, a second
    holds the evaluations during training, which use no other sampler.

    Args:
        results: folder with `runs/`.
    """
    end = evaluation_file(run, sampler, results)
    files = [EvaluationFile(end, run, sampler, (run.last_step,))]
    if sampler == run.sampler:
        way = run_folder(run, results) / EVALUATIONS
        files.append(EvaluationFile(way, run, sampler, tuple(run.bound.stage.evaluations)))
    return files


def read_evaluation(path: Path) -> pd.DataFrame:
    """Read one evaluation file, a row per episode with the columns `EVALUATION`.

    Raises:
        UserError: the file is missing, a cell has an invalid value, or an episode is repeated.
    """
    return read_table(path, EVALUATION, EVALUATION_KEY)


def content_problems(file: EvaluationFile, frame: pd.DataFrame) -> Iterator[Problem]:
    """Yield rows that contradict the file's place, and missing or extra steps and episodes."""
    run = file.run
    place = {"task": run.task.name, "run": run.name, "sampler": file.sampler, "seed": run.seed}
    for name, value in (place | {"stage": run_stage(run)}).items():
        other = frame.loc[frame[name] != value, name]
        if len(other):
            told = f"column {name} says {other.iloc[0]}, expected {value}"
            yield Problem(MISPLACED, f"{file.path}: {told}")
    counts = frame["step"].value_counts().sort_index()
    if tuple(counts.index) != file.steps:
        found, wanted = (", ".join(map(str, some)) or "none" for some in (counts.index, file.steps))
        told = f"expected evaluations at steps {wanted}; found {found}"
        yield Problem(UNEQUAL, f"{file.path}: {told}")
    episodes = run.study.evaluation.episodes
    wrong = counts[counts != episodes]
    if len(wrong):
        told = f"{wrong.iloc[0]} episodes at step {wrong.index[0]}, expected {episodes}"
        yield Problem(UNEQUAL, f"{file.path}: {told}")
    # The number of an episode determines its initial state: other numbers mean other states.
    elif len(frame) and frame["episode"].max() >= episodes:
        told = f"has an episode {frame['episode'].max()}, expected 0 to {episodes - 1}"
        yield Problem(UNEQUAL, f"{file.path}: {told}")
