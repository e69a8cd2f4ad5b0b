"""Write the convergence of FMQ and MVP in environment steps, as a table and a figure.

Seconds are not compared: they depend on the machines, and on what else runs there.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fmq.analysis.figures.convergence_figure import draw_convergence
from fmq.analysis.figures.curves import short_steps
from fmq.analysis.figures.drawing import write_figure
from fmq.analysis.inputs.csvw import write_table
from fmq.analysis.inputs.provenance import collect_provenance, recorded_notes
from fmq.analysis.inputs.scores import load_scores
from fmq.analysis.inputs.words import confidence, counted, paragraph
from fmq.analysis.statistics.convergence import (
    CONVERGENCE,
    MEAN,
    PAIR,
    convergence,
    method_curves,
)
from fmq.analysis.statistics.crossings import LEVELS
from fmq.analysis.tables.listing import Listing, write_listing
from fmq.analysis.tables.texts import MISSING
from fmq.base.errors import UserError
from fmq.config.study import Study
from fmq.config.task_names import short_task_names

TITLE = "How much sooner FMQ is at levels of MVP's best success"
CAPTION = (
    "Speed-up of FMQ over MVP in environment steps, at levels of MVP's best success (best, in "
    "percent)."
)
NOTE = (
    "Speed-up: MVP's steps over FMQ's, up to the first evaluation at or above the level and, after "
    "the semicolon, interpolated between evaluations; in parentheses, steps of FMQ and of MVP up "
    "to that first evaluation, or a dash where FMQ stays below the level. Last columns: single "
    "runs of FMQ and of MVP that reach each of the four levels. Interpolated: where the straight "
    "line from the evaluation before crosses the level, but not before the first evaluation."
)
HEADER = ["task", "best", *(f"{100 * level:g}%" for level in LEVELS), "FMQ", "MVP"]


def write_convergence(study: Study, folder: Path, manifests: Sequence[Path] = ()) -> None:
    """Write the table and the figure into `folder`/convergence.

    Args:
        folder: folder of the study, with scores.csv.

    Raises:
        UserError: the study does not compare FMQ with MVP; the scores are missing, or belong to
            another study.
    """
    lacking = [method for method in PAIR if method not in study.methods]
    if lacking:
        raise UserError(f"methods: convergence compares fmq with mvp; add {', '.join(lacking)}")
    scores = load_scores(study, folder / "scores.csv")
    recorded_notes(study, folder / "scores.csv", "fmq scores")
    table = convergence(study, *(method_curves(study, scores, method) for method in PAIR))
    target, provenance = folder / "convergence", collect_provenance(study, manifests)
    write_table(target / "steps.csv", table, CONVERGENCE, provenance)
    explained = paragraph(NOTE, _words(study, table, "Brackets"))
    listing = Listing("tab:convergence", CAPTION, HEADER, _rows(study, table), explained)
    write_listing(target / "steps", listing, provenance)
    note = f"In environment steps, not interpolated. {_words(study, table, 'Bars')}"
    write_figure(target / "convergence", TITLE, note, provenance, draw_convergence, study, table)


def _words(study: Study, table: pd.DataFrame, shape: str) -> str:
    """Explain how the numbers were computed, and their limits; `shape` is of the intervals."""
    seeds, every = len(study.seeds), study.online.evaluate_every
    return paragraph(
        f"Curves: mean success over {counted(seeds, 'seed')} at the online evaluations, "
        f"every {every:,} environment steps, which is the resolution. A level is reached at the "
        "first evaluation at or above it.",
        _censoring_words(study, table),
        "The mean over tasks is arithmetic.",
        f"{shape}: {confidence(study)} stratified bootstrap over seeds, each resample "
        "with its own best of MVP, not interpolated."
        if seeds > 1
        else "One seed: no interval.",
        _gap_words(study, table),
    )


def _censoring_words(study: Study, table: pd.DataFrame) -> str:
    """Say how often FMQ stays below a level, and how often there is no level to reach."""
    tasks = table[table["task"] != MEAN]
    counts = [(tasks[tasks["level"] == level]["state"] == "censored").sum() for level in LEVELS]
    states = tasks[tasks["level"] == LEVELS[-1]]["state"]
    nowhere, unknown = ((states == state).sum() for state in ("no level", "no runs"))
    if nowhere + unknown == len(study.tasks):
        where = " on the tasks that have runs" if unknown else ""
        return f"MVP never succeeds{where}: there is no level to reach." if nowhere else ""
    told = ", ".join(
        f"{count} at {100 * level:g}%" for count, level in zip(counts, LEVELS, strict=True)
    )
    words = (
        f"Tasks of {len(study.tasks)} on which FMQ stays below the level: {told}; there its cost "
        f"is censored at the budget of {study.online.steps:,} steps, < marks an upper bound, and "
        "the mean lies between two bounds."
        if any(counts)
        else f"FMQ reaches every level{' of tasks that have runs' if unknown else ''} within the "
        f"budget of {study.online.steps:,} steps."
    )
    if nowhere:
        words += f" MVP never succeeds on {nowhere}: these have no level and are not in the mean."
    return words


def _gap_words(study: Study, table: pd.DataFrame) -> str:
    """Say which runs are counted, if some are missing."""
    tasks = table[table["task"] != MEAN]
    runs = tasks[["fmq_runs", "mvp_runs"]].to_numpy()
    return paragraph(
        f"Unfinished: a task uses the seeds that have finished it, {runs.min()} to {runs.max()} of "
        f"{len(study.seeds)}; the mean over tasks uses only the seeds that have every task."
        if (runs < len(study.seeds)).any()
        else "",
    )


def _rows(study: Study, table: pd.DataFrame) -> list[list[str]]:
    """Return a line per task, then the mean over tasks, its interval, and the tasks behind it."""
    rows = []
    for task, name in short_task_names(study.tasks).items():
        part = _levels(table, task)
        best = part[-1].success
        cells = ["" if np.isnan(best) else f"{100 * best:.0f}", *map(_cell, part)]
        rows.append([name, *cells, *_runs(study, part)])
    means = _levels(table, MEAN)
    rows.append([MEAN, "", *map(_mean, means), *_runs(study, means, len(study.tasks))])
    if any(not np.isnan(each.low) for each in means):
        bounds = [
            MISSING
            if np.isnan([each.low, each.high]).any()
            else f"[{each.low:.2f}, {each.high:.2f}]"
            for each in means
        ]
        rows.append(["interval", "", *bounds, "", ""])
    counts = [f"{each.tasks} ({each.tasks_censored})" for each in means]
    return [*rows, ["tasks (censored)", "", *counts, "", ""]]


def _levels(table: pd.DataFrame, task: str) -> list[Any]:
    """Return the entries of a task, or of the mean, from the lowest level up."""
    return list(table[table["task"] == task].sort_values("level").itertuples())


def _runs(study: Study, part: list[Any], tasks: int = 1) -> list[str]:
    """Count the single runs of FMQ and MVP at each level, and the total if runs are missing."""
    cells = []
    for name in PAIR:
        reached = "/".join(str(getattr(each, f"{name}_reached")) for each in part)
        runs = getattr(part[0], f"{name}_runs")
        whole = runs == tasks * len(study.seeds)
        cells.append(reached if whole else f"{reached} of {runs}")
    return cells


def _cell(entry: Any) -> str:
    """Format the speed-up with both costs; a bound where FMQ stays below the level."""
    if entry.state == "measured":
        costs = f"({_amount(entry.fmq)}/{_amount(entry.mvp)})"
        return f"{entry.most:.2f} {costs}; {entry.interpolated:.2f}"
    if entry.state == "censored":
        costs = f"({MISSING}/{_amount(entry.mvp)})"
        return f"< {entry.most:.2f} {costs}; < {entry.interpolated:.2f}"
    return str(entry.state)


def _amount(cost: float) -> str:
    """Format a cost with three significant digits."""
    return short_steps(float(f"{cost:.3g}"))


def _mean(entry: Any) -> str:
    """Format the mean or, if they differ, its bounds."""
    if np.isnan(entry.most):
        return str(entry.state)
    if entry.least == entry.most:
        return f"{entry.most:.2f}; {entry.interpolated:.2f}"
    return f"{entry.least:.2f} to {entry.most:.2f}; at most {entry.interpolated:.2f}"
