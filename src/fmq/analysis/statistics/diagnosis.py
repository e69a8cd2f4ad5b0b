"""Summarise what `fmq diagnose` measured: at each state, and over the states of a run."""

from typing import Any

import numpy as np
import pandas as pd

from fmq.base.seeding import derive_seed
from fmq.config.study import Study
from fmq.pipeline.diagnosis import STEPS

GAINS = ("top", "best", *STEPS)
"""What is gained by the candidate with the highest Q, by the best one, and by the steps."""
SUCCESSES = ("mean", "top", "guided", "random")
DIGITS = 9  # of returns, which are rounded to them; a mean must not differ from equal numbers


def rank_correlation(first: pd.Series, second: pd.Series) -> float:
    """Return Spearman's rank correlation; NaN if either series has a single value."""
    if min(first.nunique(), second.nunique()) < 2:
        return float("nan")
    return float(first.rank().corr(second.rank()))


def states(branches: pd.DataFrame) -> pd.DataFrame:
    """Return what was found at each state.

    Args:
        branches: task and seed, and the columns of branches.csv.

    Returns:
        frame with a row per task, run, seed and episode: ``state_rank`` (NaN if all candidates
        have the same return), the gains `GAINS` (of candidates over their mean, of steps over the
        chunk that they start from), and ``success_NAME`` for each of `SUCCESSES`.
    """
    key = ["task", "run", "seed", "episode"]
    groups = branches.groupby(key, sort=False)
    found = [dict(zip(key, place, strict=True)) | _at_state(tried) for place, tried in groups]
    return pd.DataFrame(found).round(DIGITS)


def _at_state(tried: pd.DataFrame) -> dict[str, Any]:
    candidates = tried[tried["kind"] == "candidate"].sort_values("number")
    steps = tried[tried["kind"] != "candidate"].set_index("kind")
    outcome, success = candidates["return"].to_numpy(), candidates["success"].to_numpy()
    top = int(candidates["q"].to_numpy().argmax())
    return {
        "state_rank": rank_correlation(candidates["q"], candidates["return"]),
        "top": outcome[top] - outcome.mean(),
        "best": outcome.max() - outcome.mean(),
        **{name: steps.loc[name, "return"] - outcome[0] for name in STEPS},
        "success_mean": success.mean(),
        "success_top": success[top],
        "success_guided": steps.loc["guided", "success"],
        "success_random": steps.loc["random", "success"],
    }


def mean_interval(study: Study, values: pd.Series) -> tuple[float, float, float]:
    """Return the mean of known values and the ends of its percentile-bootstrap interval.

    The ends are NaN with fewer than two values, the mean with none.
    """
    known = values.dropna().to_numpy(np.float64)
    if len(known) < 2:
        return float(known.mean()) if len(known) else np.nan, np.nan, np.nan
    # The same seed for all, so that runs with the same values have the same interval.
    generator = np.random.default_rng(derive_seed(study.seed, "diagnosis"))
    drawn = generator.choice(known, (study.statistics.resamples, len(known))).mean(1)
    tail = (1 - study.statistics.confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return float(known.mean()), float(low), float(high)


def summarise(study: Study, calibration: pd.DataFrame, branches: pd.DataFrame) -> pd.DataFrame:
    """Return a row per task and run, with the columns of diagnosis.csv but ``label``.

    Args:
        calibration: task and seed, and the columns of calibration.csv.
        branches: task and seed, and the columns of branches.csv.
    """
    found = states(branches)
    rows = []
    for (task, run), decisions in calibration.groupby(["task", "run"], sort=False):
        own = found[(found["task"] == task) & (found["run"] == run)]
        row = {"task": task, "run": run} | _over_decisions(decisions)
        row |= {"states": len(own), "ranked": own["state_rank"].count()}
        for name in ("state_rank", *GAINS):
            ends = (name, f"{name}_low", f"{name}_high")
            row |= dict(zip(ends, mean_interval(study, own[name]), strict=True))
        rows.append(row | {f"success_{name}": own[f"success_{name}"].mean() for name in SUCCESSES})
    return pd.DataFrame(rows)


def _over_decisions(decisions: pd.DataFrame) -> dict[str, Any]:
    """Compare Q with the return; ranks are compared within seeds, each of which has its critics."""
    error = decisions["q"] - decisions["return"]
    seeds = decisions.groupby("seed")
    return {
        "seeds": len(seeds),
        "decisions": len(decisions),
        "bias": error.mean(),
        "error": (error**2).mean() ** 0.5,
        "rank": pd.Series([rank_correlation(one["q"], one["return"]) for _, one in seeds]).mean(),
    }
