"""Episodes into scores: one row per task, method, sampler, seed and evaluation."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pandas as pd

from fmq.analysis.csvw import Column, read_table, write_table
from fmq.analysis.provenance import collect_provenance
from fmq.errors import UserError
from fmq.methods import METHODS
from fmq.settings import Study

STAGES = ("offline", "online")

_TASK = Column("string", "name of the task")
_METHOD = Column("string", "key of the method under comparison")
_SAMPLER = Column("string", "how the policy turned noise into actions")
_SEED = Column("integer", "seed of the run", minimum=0)
_STAGE = Column("string", "offline or online training", allowed=STAGES)
_STEP = Column("integer", "gradient steps offline, environment steps online", minimum=0)

EVALUATION = {
    "task": _TASK,
    "run": Column("string", "folder of the run that was evaluated"),
    "sampler": _SAMPLER,
    "seed": _SEED,
    "stage": _STAGE,
    "step": _STEP,
    "episode": Column("integer", "number of the episode", minimum=0),
    "success": Column("integer", "1 if the goal was reached, else 0", minimum=0, maximum=1),
    "return": Column("number", "undiscounted sum of rewards"),
    "length": Column("integer", "environment steps", minimum=1),
}
EVALUATION_KEY = ("task", "run", "sampler", "seed", "stage", "step", "episode")

SCORES = {
    "task": _TASK,
    "method": _METHOD,
    "sampler": _SAMPLER,
    "seed": _SEED,
    "stage": _STAGE,
    "step": _STEP,
    "success": Column("number", "fraction of successful episodes", minimum=0, maximum=1),
    "return": Column("number", "mean undiscounted sum of rewards"),
    "length": Column("number", "mean environment steps of an episode", minimum=1),
    "episodes": Column("integer", "episodes behind the means", minimum=1),
}
SCORES_KEY = ("task", "method", "sampler", "seed", "stage", "step")


def comparison_rows(study: Study) -> list[tuple[str, str]]:
    """The (method, sampler) rows of the comparison, in the order of the settings."""
    return [(method, name) for method in study.methods for name in study.samplers_of(method)]


def read_evaluation(path: Path) -> pd.DataFrame:
    """Read one evaluation file, a row per episode with the columns `EVALUATION`.

    Raises:
        UserError: the file is missing, a cell is not what its column holds, an episode is twice.
    """
    return read_table(path, EVALUATION, EVALUATION_KEY)


def read_scores(path: Path) -> pd.DataFrame:
    """Read what `write_scores` wrote, with the columns `SCORES`; `UserError` if it is not that."""
    return read_table(path, SCORES, SCORES_KEY)


def collect_scores(study: Study, runs: Path) -> pd.DataFrame:
    """Mean success, return and length of every evaluation that the study calls for.

    An offline run serves every method that starts from it, and its rows are repeated for each.

    Args:
        runs: folder with `TASK/seedN/RUN/evaluations.csv` (evaluations in training) and
            `TASK/seedN/evaluate-RUN-SAMPLER.csv` (of the last step).

    Returns:
        columns `SCORES`, ordered by task, method, sampler and seed as in the settings, then by
        stage and step.

    Raises:
        UserError: a file is missing, incomplete, or of another task, seed, run or sampler.
    """
    parts = [
        _evaluation_means(study, runs, task, method, sampler, seed, stage)
        for task in study.tasks
        for method, sampler in comparison_rows(study)
        for seed in study.seeds
        for stage in STAGES
    ]
    return pd.concat(parts, ignore_index=True)[list(SCORES)]


def _evaluation_means(
    study: Study, runs: Path, task: str, method: str, sampler: str, seed: int, stage: str
) -> pd.DataFrame:
    """The evaluations of one run under one sampler, averaged over episodes."""
    run = study.offline_run(method) if stage == "offline" else f"finetune-{method}"
    folder = runs / task / f"seed{seed}"
    last = _last_step(study, stage)
    files = {folder / f"evaluate-{run}-{sampler}.csv": [last]}
    # In training a policy is evaluated with the sampler that it acts with, and with no other.
    if sampler == METHODS[method].sampler:
        files[folder / run / "evaluations.csv"] = _training_steps(study, method, stage)
    expected = {"task": task, "run": run, "sampler": sampler, "seed": seed, "stage": stage}
    episodes = []
    for path, steps in files.items():
        frame = read_evaluation(path)
        _check_belongs(path, frame, expected)
        _check_complete(path, frame, steps, study.evaluation.episodes)
        episodes.append(frame)
    means = (
        pd.concat(episodes)
        .groupby("step")
        .agg(**{name: (name, "mean") for name in ("success", "return", "length")})
        .reset_index()
    )
    return means.assign(
        task=task,
        method=method,
        sampler=sampler,
        seed=seed,
        stage=stage,
        episodes=study.evaluation.episodes,
    )


def _last_step(study: Study, stage: str) -> int:
    return study.offline.steps if stage == "offline" else study.online.steps


def _training_steps(study: Study, method: str, stage: str) -> list[int]:
    """Steps of the evaluations during a run; those of the warm-up belong to another run."""
    settings = study.offline if stage == "offline" else study.online
    distilled = stage == "offline" and METHODS[method].offline == "distill"
    first = study.offline.warmup_steps if distilled else 0
    every = settings.evaluate_every
    return list(range((first // every + 1) * every, settings.steps, every))


def _check_belongs(path: Path, frame: pd.DataFrame, expected: dict[str, object]) -> None:
    """Refuse a file whose rows are about something else than its place says."""
    for name, value in expected.items():
        other = frame.loc[frame[name] != value, name]
        if len(other):
            raise UserError(f"{path}: column {name} says {other.iloc[0]}, expected {value}")


def _check_complete(path: Path, frame: pd.DataFrame, steps: list[int], episodes: int) -> None:
    """Refuse a file with missing or unexpected evaluations, or with some longer than others."""
    counts = frame["step"].value_counts().sort_index()
    if list(counts.index) != steps:
        found, wanted = (", ".join(map(str, some)) or "none" for some in (counts.index, steps))
        raise UserError(f"{path}: expected evaluations at steps {wanted}; found {found}")
    wrong = counts[counts != episodes]
    if len(wrong):
        raise UserError(
            f"{path}: {wrong.iloc[0]} episodes at step {wrong.index[0]}, expected {episodes}"
        )


def final_scores(scores: pd.DataFrame, stage: str) -> pd.DataFrame:
    """The rows of the last step of `stage`: one per task, method, sampler and seed.

    Never the best step: a score counts for the checkpoint that the budget bought.
    """
    rows = scores[scores["stage"] == stage]
    return rows[rows["step"] == rows["step"].max()].reset_index(drop=True)


def check_scores(study: Study, scores: pd.DataFrame, path: Path) -> None:
    """Refuse scores of other tasks, methods, seeds, budgets or episodes than the study's."""
    rows = comparison_rows(study)
    wanted = {(t, m, s, n) for t, (m, s), n in product(study.tasks, rows, study.seeds)}
    for stage in STAGES:
        final = final_scores(scores, stage)
        found = set(final[["task", "method", "sampler", "seed"]].itertuples(index=False, name=None))
        if found != wanted:
            odd = sorted(found ^ wanted)[0]
            verb = "lacks" if odd in wanted else "has, beyond the study,"
            raise UserError(f"{path}: {verb} the final {stage} score of {' '.join(map(str, odd))}")
        step = final["step"].max()
        if step != _last_step(study, stage):
            raise UserError(
                f"{path}: the last {stage} step is {step}, in the settings it is "
                f"{_last_step(study, stage)}"
            )
    other = scores.loc[scores["episodes"] != study.evaluation.episodes, "episodes"]
    if len(other):
        raise UserError(
            f"{path}: evaluations of {other.iloc[0]} episodes, in the settings it is "
            f"{study.evaluation.episodes}"
        )


def load_scores(study: Study, path: Path) -> pd.DataFrame:
    """Read the scores of `study`; `UserError` if they are of another study."""
    scores = read_scores(path)
    check_scores(study, scores, path)
    return scores


def write_scores(study: Study, runs: Path, output: Path, manifests: Sequence[Path] = ()) -> None:
    """Collect the scores below `runs` into the tidy file `output`."""
    write_table(output, collect_scores(study, runs), SCORES, collect_provenance(study, manifests))
