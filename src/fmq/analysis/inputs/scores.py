"""Reduce episodes to scores: one row per task, method, sampler, seed and evaluation."""

import logging
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from fmq.analysis.inputs.csvw import Column, read_table, write_table
from fmq.analysis.inputs.evaluations import (
    SAMPLER,
    SEED,
    STAGE,
    STAGES,
    STEP,
    TASK,
    EvaluationFile,
    evaluation_files,
)
from fmq.analysis.inputs.problems import BEYOND, MISSING, UNEQUAL, Problem, refuse
from fmq.analysis.inputs.provenance import collect_provenance
from fmq.analysis.inputs.records import read_evaluations
from fmq.base.errors import UserError
from fmq.config.study import Study
from fmq.pipeline.runs import make_run
from fmq.pipeline.variants import runs_of_method

logger = logging.getLogger(__name__)

SCORES = {
    "task": TASK,
    "method": Column("string", "key of the method under comparison"),
    "sampler": SAMPLER,
    "seed": SEED,
    "stage": STAGE,
    "step": STEP,
    "success": Column("number", "fraction of successful episodes", minimum=0, maximum=1),
    "return": Column("number", "mean undiscounted sum of rewards"),
    "length": Column("number", "mean environment steps of an episode", minimum=1),
    "episodes": Column("integer", "episodes behind the means", minimum=1),
}
SCORES_KEY = ("task", "method", "sampler", "seed", "stage", "step")


def comparison_rows(study: Study, stage: str = "online") -> list[tuple[str, str]]:
    """Return the (method, sampler) rows of the comparison, in the order of the settings.

    Offline, methods that are not trained here are left out: they have no offline score.
    """
    methods = study.trained_methods if stage == "offline" else study.methods
    return [(method, name) for method in methods for name in study.samplers_of(method)]


class Cell(NamedTuple):
    """A combination of task, row of the comparison, seed and stage, which keys scores of a run."""

    task: str
    method: str
    sampler: str
    seed: int
    stage: str


def _cells(study: Study, results: Path) -> Iterator[tuple[Cell, list[EvaluationFile]]]:
    """Yield every cell of the study, in the order of the settings, with the files behind it."""
    for task, (method, sampler), seed, stage in product(
        study.tasks, comparison_rows(study), study.seeds, STAGES
    ):
        if name := runs_of_method(study, method).get(stage):
            files = evaluation_files(results, make_run(study, task, seed, name), sampler)
            yield Cell(task, method, sampler, seed, stage), files


def collect_scores(study: Study, results: Path, manifests: Sequence[Path] = ()) -> pd.DataFrame:
    """Average success, return and length over the episodes of every evaluation of the study.

    Several methods may start from one offline run; its rows are repeated for each of them.

    Args:
        results: folder with the runs and their evaluations, during training and at the last step.
        manifests: manifest.json of the data sets that the runs must have learned from.

    Returns:
        frame with the columns `SCORES`, ordered by task, method, sampler and seed as in the
        settings, then by stage and step.

    Raises:
        UserError: lists the files that are missing (unless the study allows that), incomplete,
            from another task, seed, run or sampler, or from other settings or data.
    """
    cells = list(_cells(study, results))
    files = {file.path: file for _, behind in cells for file in behind}
    frames = read_evaluations(study, results, list(files.values()), manifests, "make these again")
    if all(frame.empty for frame in frames.values()):
        raise UserError(f"{results}: no evaluation of the study exists yet")
    if len(frames) < len(files):
        logger.warning(
            "%d of %d evaluation files are missing", len(files) - len(frames), len(files)
        )
    parts = []
    for cell, behind in cells:
        episodes = [frames[file.path] for file in behind if file.path in frames]
        if episodes:
            means = pd.concat(episodes).groupby("step")[["success", "return", "length"]].mean()
            columns = cell._asdict() | {"episodes": study.evaluation.episodes}
            parts.append(means.reset_index().assign(**columns))
    return pd.concat(parts, ignore_index=True)[list(SCORES)]


def final_scores(study: Study, scores: pd.DataFrame, stage: str) -> pd.DataFrame:
    """Select the rows at the last step of `stage`: one per task, method, sampler and seed.

    The final score is that of the checkpoint at the end of the budget, never that of the best
    step. If it is missing, no earlier step replaces it.
    """
    last = study.offline.steps if stage == "offline" else study.online.steps
    rows = scores[(scores["stage"] == stage) & (scores["step"] == last)]
    return rows.reset_index(drop=True)


def expected_scores(study: Study) -> set[tuple[object, ...]]:
    """Return the keys, `SCORES_KEY`, of all scores of a finished study."""
    cells = _cells(study, Path())
    return {(*cell, step) for cell, files in cells for file in files for step in file.steps}


def found_scores(scores: pd.DataFrame) -> set[tuple[object, ...]]:
    """Return the keys, `SCORES_KEY`, of the given scores."""
    return set(scores[list(SCORES_KEY)].itertuples(index=False, name=None))


def load_scores(study: Study, path: Path) -> pd.DataFrame:
    """Read the scores of `study`, a file of `write_scores`, with the columns `SCORES`.

    Raises:
        UserError: the file is malformed; or lists the scores whose tasks, methods, seeds, budgets
            or episodes are not the study's, and missing ones unless the study allows gaps.
    """
    scores = read_table(path, SCORES, SCORES_KEY)
    wanted, found = expected_scores(study), found_scores(scores)
    problems = [Problem(MISSING, _score_name(key)) for key in sorted(wanted - found)]
    problems += [Problem(BEYOND, _score_name(key)) for key in sorted(found - wanted)]
    other = scores[scores["episodes"] != study.evaluation.episodes]
    for *key, episodes in other[[*SCORES_KEY, "episodes"]].itertuples(index=False, name=None):
        told = f"{episodes} episodes, expected {study.evaluation.episodes}"
        problems.append(Problem(UNEQUAL, f"{_score_name(tuple(key))}: {told}"))
    refuse(path, problems, "run `fmq scores` again", study.allow_missing)
    return scores


def _score_name(key: tuple[object, ...]) -> str:
    """Describe a row of the scores in words."""
    return "{} {} {} seed {} {} step {}".format(*key)


def write_scores(study: Study, results: Path, folder: Path, manifests: Sequence[Path] = ()) -> None:
    """Collect the scores below `results` in the tidy CSV file `folder`/scores.csv."""
    scores = collect_scores(study, results, manifests)
    write_table(folder / "scores.csv", scores, SCORES, collect_provenance(study, manifests))
