"""Draw the speed-up of FMQ over MVP, in environment steps and seconds, with a panel per level."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from fmq.analysis.figures.style import look, short_task_names
from fmq.analysis.statistics.convergence import MEAN, UNITS
from fmq.analysis.statistics.crossings import LEVELS
from fmq.config.study import Study

_SHIFT = {"steps": -0.13, "seconds": 0.13}  # vertical offset of the markers of each unit
_LABELS = {"steps": "in environment steps", "seconds": "in seconds of training"}


def draw_convergence(study: Study, tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw a line per task and one for the mean over tasks; right of 1, FMQ is faster.

    An arrow to the left marks an upper bound, where FMQ stays below the level.

    Args:
        tables: frames by unit, columns `fmq.analysis.statistics.convergence.CONVERGENCE`.
    """
    lines = [*study.tasks, MEAN]
    names = short_task_names(study.tasks) | {MEAN: MEAN}
    figure = Figure(figsize=(7.2, 1.5 + 0.28 * len(lines)))
    axes = figure.subplots(1, len(LEVELS), sharex=True, sharey=True)
    for axis, level in zip(axes, LEVELS, strict=True):
        axis.axvline(1, color="#333333", linewidth=0.8, linestyle=":")
        axis.axhline(len(study.tasks) - 0.5, color="#999999", linewidth=0.6)
        for unit in UNITS:
            table = tables[unit]
            for entry in table[table["level"] == level].itertuples():
                _draw_entry(axis, lines.index(str(entry.task)), entry, unit)
        axis.set_title(f"{100 * level:g}% of MVP's best", loc="left")
        axis.set_xlabel("speed-up of FMQ")
        axis.tick_params(axis="y", length=0)
    axes[0].set_yticks(range(len(lines)), [names[line] for line in lines])
    axes[0].set_ylim(len(lines) - 0.5, -0.5)
    _scale(axes[0], tables)
    figure.legend(handles=_handles(), loc="outside upper center", ncols=3)
    return figure


def _draw_entry(axis: Axes, line: int, entry: Any, unit: str) -> None:
    """Draw a marker, with a bar over the interval of a mean, or write why there is none."""
    y, color = line + _SHIFT[unit], look("fmq").color
    if np.isnan(entry.most):
        if unit == "steps":
            place: dict[str, Any] = {
                "xycoords": ("axes fraction", "data"),
                "ha": "center",
                "va": "center",
            }
            colors: dict[str, Any] = {"color": "#555555", "backgroundcolor": "white"}
            axis.annotate(str(entry.state), (0.5, line), fontsize=6.5, **place, **colors)
        return
    if not np.isnan([entry.low, entry.high]).any():
        # A logarithmic axis cannot show a lower end of 0.
        axis.plot([max(entry.low, 1e-9), entry.high], [y, y], color=color, linewidth=1.6)
    axis.plot(entry.most, y, **_marker(unit, bool(entry.least < entry.most)))


def _marker(unit: str, censored: bool) -> dict[str, Any]:
    color = look("fmq").color
    return {
        "marker": "<" if censored else look("fmq").marker,
        "color": color,
        "markerfacecolor": color if unit == "steps" else "white",
        "markersize": 5,
        "linestyle": "none",
    }


def _scale(axis: Axes, tables: Mapping[str, pd.DataFrame]) -> None:
    """Make the axis logarithmic, so that twice as fast and half as fast are equally far from 1."""
    ends = pd.concat(list(tables.values()))[["low", "most", "high"]].to_numpy(dtype=float)
    low, high = np.min(ends[ends > 0], initial=0.8), np.max(ends[ends > 0], initial=1.25)
    axis.set_xscale("log", base=2)
    axis.set_xlim(low / 1.25, high * 1.25)
    axis.xaxis.set_major_locator(LogLocator(base=2))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _handles() -> list[Line2D]:
    handles = [Line2D([], [], label=_LABELS[unit], **_marker(unit, False)) for unit in UNITS]
    label = "FMQ stays below the level: at most"
    return [*handles, Line2D([], [], label=label, **_marker("steps", True))]
