"""Draw the speed-up of FMQ over MVP in environment steps, with a panel per level."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from fmq.analysis.figures.drawing import draw_interval
from fmq.analysis.figures.style import look
from fmq.analysis.statistics.convergence import MEAN
from fmq.analysis.statistics.crossings import LEVELS
from fmq.config.study import Study
from fmq.config.task_names import short_task_names


def draw_convergence(study: Study, table: pd.DataFrame) -> Figure:
    """Draw a point per task and a bar for the mean over tasks; right of 1, FMQ is faster.

    An arrow to the left marks an upper bound, where FMQ stays below the level.

    Args:
        table: columns `fmq.analysis.statistics.convergence.CONVERGENCE`.
    """
    lines = [*study.tasks, MEAN]
    names = short_task_names(study.tasks) | {MEAN: MEAN}
    figure = Figure(figsize=(7.2, 1.3 + 0.2 * len(lines)))
    axes = figure.subplots(1, len(LEVELS), sharex=True, sharey=True)
    for axis, level in zip(axes, LEVELS, strict=True):
        axis.axvline(1, color="#333333", linewidth=0.8, linestyle=":")
        axis.axhline(len(study.tasks) - 0.5, color="#999999", linewidth=0.6)
        for entry in table[table["level"] == level].itertuples():
            _draw_entry(axis, lines.index(str(entry.task)), entry)
        axis.set_title(f"{100 * level:g}% of MVP's best", loc="left")
        axis.set_xlabel("speed-up of FMQ")
        axis.tick_params(axis="y", length=0)
    axes[0].set_yticks(range(len(lines)), [names[line] for line in lines])
    axes[0].set_ylim(len(lines) - 0.5, -0.5)
    _scale(axes[0], table)
    handles = _handles(bool((table["least"] < table["most"]).any()))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure


def _draw_entry(axis: Axes, line: int, entry: Any) -> None:
    """Draw a point, an arrow or, for a mean, its interval; or write why there is none."""
    if np.isnan(entry.most):
        axis.annotate(
            str(entry.state),
            (0.5, line),
            xycoords=("axes fraction", "data"),
            ha="center",
            va="center",
            fontsize=6.5,
            color="#555555",
            backgroundcolor="white",
        )
        return
    censored = bool(entry.least < entry.most)
    if entry.task == MEAN:
        # A logarithmic axis cannot show a lower end of 0.
        low, value = max(entry.low, 1e-9), np.nan if censored else entry.most
        draw_interval(axis, line, (value, low, entry.high), look("fmq").color)
    if censored or entry.task != MEAN:
        axis.plot(entry.most, line, **_marker(censored))


def _marker(censored: bool) -> dict[str, Any]:
    marker = "<" if censored else look("fmq").marker
    return {"marker": marker, "color": look("fmq").color, "markersize": 5, "linestyle": "none"}


def _scale(axis: Axes, table: pd.DataFrame) -> None:
    """Make the axis logarithmic, so that twice as fast and half as fast are equally far from 1."""
    ends = table[["low", "most", "high"]].to_numpy(dtype=float)
    # Room for the ticks 0.5, 1 and 2 at least.
    low, high = np.min(ends[ends > 0], initial=0.5), np.max(ends[ends > 0], initial=2.0)
    axis.set_xscale("log", base=2)
    axis.set_xlim(low / 1.25, high * 1.25)
    axis.xaxis.set_major_locator(LogLocator(base=2))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _handles(censored: bool) -> list[Line2D]:
    """Return the entries of the legend: what a point is, and an arrow if there is one."""
    bound = Line2D([], [], label="FMQ stays below the level: at most", **_marker(True))
    return [Line2D([], [], label="task", **_marker(False)), *([bound] if censored else [])]
