"""Say in three sentences what a study comes to, generated from its statistics."""

import math
from typing import Any

import pandas as pd

from fmq.analysis.inputs.words import counted
from fmq.analysis.statistics.comparisons import first_method
from fmq.config.study import Study
from fmq.pipeline.variants import row_label


def summary_sentences(
    study: Study, aggregates: pd.DataFrame, comparisons: pd.DataFrame
) -> list[str]:
    """Return who leads after online training, by how much, and what cannot be said.

    The comparison is of FMQ (or else the first method) with the other method whose row has the
    highest IQM, whoever of the two is ahead.

    Args:
        aggregates, comparisons: columns `fmq.analysis.statistics.estimates.STATISTICS`.
    """
    online = aggregates[(aggregates["stage"] == "online") & (aggregates["metric"] == "iqm")]
    if online.empty:
        return ["No row of the comparison has enough runs of every task yet."]
    ranked: list[Any] = list(online.sort_values("value", ascending=False).itertuples())
    ours = first_method(study)
    rival = next((row for row in ranked if row.method != ours), None)
    found = _comparison(comparisons, rival) if rival is not None else None
    told = [_lead(study, ranked)]
    if rival is not None and found is not None:
        told.append(_difference(study, study.method(ours).label, _label(study, rival), found))
    elif rival is not None:
        told.append(
            f"{study.method(ours).label} and {_label(study, rival)} cannot be compared yet: too "
            "few seeds have every task."
        )
    else:
        told.append(f"Nothing else can be compared with {study.method(ours).label} here.")
    return [*told, _limits(study, ranked[0], found)]


def _comparison(comparisons: pd.DataFrame, other: Any) -> Any:
    """Return the online comparison with the row `other`; None if there is none yet."""
    chosen = comparisons[
        (comparisons["stage"] == "online")
        & (comparisons["other_method"] == other.method)
        & (comparisons["other_sampler"] == other.sampler)
    ]
    return next(chosen.itertuples(), None)


def _label(study: Study, row: Any) -> str:
    return row_label(study, row.method, row.sampler)


def _lead(study: Study, ranked: list[Any]) -> str:
    """Name the row or rows with the highest IQM."""
    best = [row for row in ranked if round(row.value, 9) == round(ranked[0].value, 9)]
    names = " and ".join(
        f"{_label(study, row)} ({_percent(row.value, row.low, row.high)} percent)" for row in best
    )
    have = "has" if len(best) == 1 else "have"
    return (
        f"After online training, {names} {have} the highest interquartile mean of success over "
        f"{counted(best[0].tasks, 'task')} and {counted(best[0].runs, 'seed')}."
    )


def _difference(study: Study, ours: str, theirs: str, found: Any) -> str:
    """Say how far FMQ is from the strongest other method, and how sure that is."""
    value, low, high = found.difference, found.difference_low, found.difference_high
    points = _percent(abs(value), *((low, high) if value >= 0 else (-high, -low)))
    where = "above" if value > 0 else "below" if value < 0 else "from"
    lead = f"{ours} is {points} percentage points {where} the strongest other method, {theirs}"
    if math.isnan(low):
        return f"{lead}."
    chance = _percent(found.improvement, found.improvement_low, found.improvement_high)
    open_ = ", an interval that includes 0, so that neither is shown to be ahead"
    return (
        f"{lead}{open_ if low <= 0 <= high else ''}; the probability that a run of {ours} is the "
        f"better one on the same task is {chance} percent."
    )


def _limits(study: Study, best: Any, found: Any) -> str:
    """Say on how many tasks FMQ is ahead, and what so few tasks or seeds leave open."""
    seeds = best.runs if found is None else min(best.runs, found.runs, found.other_runs)
    facts = [
        f"{study.method(first_method(study)).label}'s mean is higher on {found.tasks_above} of "
        f"{counted(found.tasks, 'task')} and lower on {found.tasks_below}"
        if found is not None
        else "",
        "nothing is said of other tasks" if best.tasks == 1 else "",
        "with one seed there is no interval, and chance alone may explain any difference"
        if seeds == 1
        else f"the intervals rest on {seeds} seeds",
    ]
    told = "; ".join(filter(None, facts))
    return f"{told[0].upper()}{told[1:]}."


def _percent(value: float, low: float, high: float) -> str:
    """Format a fraction and its interval, if it has one, in percent with one decimal."""
    interval = "" if math.isnan(low) else f" [{100 * low:z.1f}, {100 * high:z.1f}]"
    return f"{100 * value:z.1f}{interval}"
