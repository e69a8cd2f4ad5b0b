"""Draw the measurements of `fmq diagnose`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fmq.analysis.figures.drawing import draw_interval, draw_legend, task_panels
from fmq.analysis.figures.style import Look, darker, look
from fmq.analysis.statistics.diagnosis import GAINS
from fmq.config.study import Study
from fmq.pipeline.bind import stage_of
from fmq.pipeline.diagnosis import diagnosed_names, first_method_of, run_label

BINS = 10
CATEGORIES = {
    "top": "top by Q",
    "best": "best in hindsight",
    "guided": "along the gradient",
    "against": "against it",
    "random": "random direction",
}
_LINE: dict[str, Any] = {"color": "#777777", "linewidth": 0.8}
_DIAGONAL: dict[str, Any] = _LINE | {"linestyle": (0, (4, 2))}


def _look(study: Study, run: str) -> Look:
    """Return the look of a run: its method's, and near black if it is offline."""
    style = look(first_method_of(study, run), study.added_methods)
    return style if stage_of(run) == "finetune" else darker(style)


def _panels(
    study: Study, rows: pd.DataFrame, x: str, y: str, **options: Any
) -> tuple[Figure, dict[str, Axes], list[str]]:
    """Return a figure with a panel per task that has rows, the panels, and the runs in `rows`."""
    tasks = [task for task in study.tasks if task in set(rows["task"])]
    runs = [run for run in diagnosed_names(study) if run in set(rows["run"])]
    return *task_panels(study, tasks, x, y, (5.0, 1.7), **options), runs


def _handles(study: Study, runs: Sequence[str], **options: Any) -> list[Line2D]:
    """Return the legend entries of runs, with further `options` of their lines."""
    return [
        Line2D([], [], label=run_label(study, run), **_look(study, run).options() | options)
        for run in runs
    ]


def draw_calibration(study: Study, calibration: pd.DataFrame) -> Figure:
    """Draw the mean return of decisions against their mean Q, in ten bins of equal size by Q.

    Args:
        calibration: task and seed, and the columns of calibration.csv.
    """
    labels = ("Q", "achieved return")
    figure, panels, runs = _panels(study, calibration, *labels)
    for task, axis in panels.items():
        for run in runs:
            own = calibration[(calibration["task"] == task) & (calibration["run"] == run)]
            place = own["q"].rank(method="first").sub(1).mul(BINS).floordiv(len(own))
            means = own.groupby(place)[["q", "return"]].mean()
            axis.plot(means["q"], means["return"], **_look(study, run).options())
        _draw_diagonal(axis)
    handles = [*_handles(study, runs), Line2D([], [], label="return = Q", **_DIAGONAL)]
    draw_legend(figure, handles, 4)
    return figure


def _draw_diagonal(axis: Axes) -> None:
    """Draw the line of critics that are right, between equal limits of both axes."""
    ends = np.concatenate([np.ravel(line.get_xydata()) for line in axis.lines])
    margin = 0.04 * (np.ptp(ends) or 1.0)
    both = ends.min() - margin, ends.max() + margin
    axis.plot(both, both, zorder=1, **_DIAGONAL)
    axis.set(xlim=both, ylim=both)


def draw_branches(study: Study, summary: pd.DataFrame) -> Figure:
    """Draw what each kind of chunk gains, with its interval over states; a bar per run.

    Args:
        summary: what `fmq.analysis.statistics.diagnosis.summarise` returns.
    """
    count = summary["run"].nunique()
    options: dict[str, Any] = {"sharey": True, "height": 0.4 + len(GAINS) * (0.14 + 0.07 * count)}
    thick = 0.85 / count
    labels = ("gain (discounted reward)", "")
    figure, panels, runs = _panels(study, summary, *labels, **options)
    dodges = [thick * (place - (count - 1) / 2) for place in range(count)]
    for task, axis in panels.items():
        for run, dodge in zip(runs, dodges, strict=True):
            own = summary[(summary["task"] == task) & (summary["run"] == run)]
            color = _look(study, run).color
            for place, name in enumerate(GAINS):
                for estimate in own[[name, f"{name}_low", f"{name}_high"]].to_numpy():
                    draw_interval(axis, place + dodge, estimate, color, 0.8 * thick)
        axis.axvline(0, zorder=1, **_LINE)
        axis.set_yticks(range(len(GAINS)), [CATEGORIES[name] for name in GAINS])
        axis.set_ylim(len(GAINS) - 0.5, -0.5)
        axis.tick_params(axis="y", length=0)
        axis.grid(visible=False, axis="y")
    handles = _handles(study, runs, linestyle="-", marker="", linewidth=4)
    draw_legend(figure, handles, 4)
    return figure
