"""Write a study's success beside what was reported, with the difference: ``tables/reported.*``."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.stats import t as student

from fmq.analysis.inputs.csvw import Column, Columns, write_table
from fmq.analysis.inputs.published import (
    FMQ_ROW,
    SEEDS,
    beside,
    budget_words,
    protocol_words,
    reported_finals,
    reported_iqm,
)
from fmq.analysis.inputs.words import confidence, counted, paragraph
from fmq.analysis.tables.listing import Listing, write_listing
from fmq.analysis.tables.texts import MISSING
from fmq.config.study import Study
from fmq.config.tasks import IQM

ROUNDING = 0.5
"""Reported numbers have two decimals of a fraction, so half a percent may be missing at an end."""

_KEY = ["task", "label", "method", "sampler"]
_COLUMNS: Columns = {
    "task": Column("string", f"name of the task, or {IQM} for the interquartile mean over tasks"),
    "label": Column("string", "row of the comparison"),
    "method": Column("string", "key of the method"),
    "sampler": Column("string", "how the policy turned noise into actions"),
    "value": Column("number", "this study's success in percent", 0, 100, optional=True),
    "low": Column("number", "lower end of its bootstrap interval over seeds", optional=True),
    "high": Column("number", "upper end of its bootstrap interval over seeds", optional=True),
    "runs": Column("integer", "seeds behind it", minimum=0),
    "reported": Column("number", "reported success in percent", 0, 100),
    "reported_deviation": Column("number", "reported deviation over seeds", optional=True),
    "reported_low": Column("number", "lower end of its 95% interval", optional=True),
    "reported_high": Column("number", "upper end of its 95% interval", optional=True),
    "difference": Column("number", "this study's success minus the reported", optional=True),
    "meet": Column("integer", "1 if the two intervals have a point in common", 0, 1, optional=True),
    "source": Column("string", "who reports it"),
}


def compared(study: Study, entries: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each reported number that a study has one beside, with `_COLUMNS`.

    Args:
        study: settings of the study.
        entries: its success in percent, with `_KEY`, stage, value, low, high and runs, and IQM as
            a task of its own.
    """
    finals, iqm = reported_finals(), beside(study, reported_iqm()).assign(task=IQM)
    if set(study.tasks) != set(finals[finals["row"] == FMQ_ROW]["task"]):
        iqm = iqm[:0]  # the paper's is over other tasks
    reported = pd.concat([beside(study, finals), iqm], ignore_index=True)
    numbers = ["value", "deviation", "low", "high"]
    reported[numbers] *= 100
    theirs = _with_intervals(reported).rename(
        columns={name: f"reported_{name}" for name in numbers} | {"value": "reported"}
    )
    ours = entries[entries["stage"] == "online"][[*_KEY, "value", "low", "high", "runs"]]
    found = ours.merge(theirs, on=_KEY)  # in the order of the study's entries
    found["difference"] = found["value"] - found["reported"]
    found["meet"] = [_meet(row) for row in found.itertuples()]
    found["meet"] = found["meet"].astype("Int64")
    return found.round(dict.fromkeys(found.select_dtypes("float"), 9))


def _with_intervals(reported: pd.DataFrame) -> pd.DataFrame:
    """Fill in, from its deviation over `SEEDS` seeds, the 95% t interval of a mean without any."""
    half = student.ppf(0.975, SEEDS - 1) / math.sqrt(SEEDS) * reported["deviation"]
    low, high = (reported["value"] - half).clip(0), (reported["value"] + half).clip(upper=100)
    return reported.assign(low=reported["low"].fillna(low), high=reported["high"].fillna(high))


def _meet(row: Any) -> int | None:
    """Return 1 if the intervals have a point in common, else 0; None if one is unknown."""
    ends = (row.low, row.high, row.reported_low, row.reported_high)
    if any(map(math.isnan, ends)):
        return None
    return int(row.low <= row.reported_high + ROUNDING and row.high >= row.reported_low - ROUNDING)


def write_reported(
    study: Study,
    entries: pd.DataFrame,
    names: Mapping[str, str],
    path: Path,
    provenance: Mapping[str, Any],
) -> None:
    """Write `path`.csv, `path`.tex and `path`.md.

    Args:
        study: settings of the study.
        entries: as for `compared`.
        names: displayed name of each task, and of IQM.
        path: path of the files without a suffix.
        provenance: provenance of the numbers.
    """
    found = compared(study, entries)
    write_table(path.with_suffix(".csv"), found[list(_COLUMNS)], _COLUMNS, provenance)
    header = ["task", "policy", "ours", "reported", "difference", "intervals meet", "reported by"]
    rows = [_cells(row, names) for row in found.itertuples()]
    caption = f"Success in percent beside what was reported: {protocol_words()}."
    listing = Listing("tab:reported", caption, header, rows, _note(study, found))
    write_listing(path, listing, provenance)


def _cells(row: Any, names: Mapping[str, str]) -> list[str]:
    return [
        *(names[row.task], row.label),
        _with_interval(row.value, row.low, row.high),
        _with_interval(row.reported, row.reported_low, row.reported_high),
        MISSING if math.isnan(row.difference) else f"{row.difference:+.1f}",
        MISSING if pd.isna(row.meet) else ("no", "yes")[row.meet],
        row.row.removeprefix("reported, "),
    ]


def _with_interval(value: float, low: float, high: float) -> str:
    if math.isnan(value):
        return MISSING
    return f"{value:.1f}" + ("" if math.isnan(low) else f" [{low:.1f}, {high:.1f}]")


def _note(study: Study, found: pd.DataFrame) -> str:
    judged = found["meet"].dropna()
    unfinished = (found["runs"] < len(study.seeds)).any()
    return paragraph(
        f"Ours: {counted(len(study.seeds), 'seed')} of "
        f"{counted(study.evaluation.episodes, 'episode')}, with {confidence(study)} bootstrap "
        "intervals over seeds.",
        f"Reported: 95% intervals; those of a task are t intervals of the mean, from the published "
        f"deviation over {SEEDS} seeds. Intervals meet if they have a point in common, with half a "
        "percent allowed for the rounding of reported numbers.",
        f"They do in {int(judged.sum())} of {counted(len(judged), 'row')}." if len(judged) else "",
        f"{IQM} only where the tasks are those of the paper.",
        "Unfinished: some of ours are over fewer seeds." if unfinished else "",
        budget_words(study),
    )
