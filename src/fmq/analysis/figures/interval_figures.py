"""Draw estimates with intervals: aggregates, performance profiles, improvement."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fmq.analysis.figures.style import look
from fmq.analysis.inputs.scores import STAGES, comparison_rows
from fmq.analysis.statistics.comparisons import first_method
from fmq.analysis.statistics.estimates import METRICS
from fmq.config.study import Study
from fmq.pipeline.variants import row_label

PANELS = {
    "iqm": "IQM (%)",
    "mean": "mean (%)",
    "median": "median (%)",
    "optimality_gap": "optimality gap (%),\nsmaller is better",
}


def _filled(study: Study, method: str, sampler: str) -> bool:
    """Return whether markers are filled: for a method's own sampler, not for another."""
    return sampler == study.method(method).sampler


def _draw_interval(
    study: Study, axis: Axes, y: float, estimate: Any, row: tuple[str, str], pale: bool = False
) -> None:
    """Draw a marker at the value and a bar over the interval, if there is one, in percent."""
    style = look(row[0], study.added_methods)
    options: dict[str, Any] = {"color": style.color, "alpha": 0.45 if pale else 1.0}
    if not np.isnan(estimate.low):
        axis.plot([100 * estimate.low, 100 * estimate.high], [y, y], linewidth=2.2, **options)
    options |= {"markerfacecolor": style.color if _filled(study, *row) else "white"}
    axis.plot(100 * estimate.value, y, style.marker, markersize=4 if pale else 5.5, **options)


def draw_aggregates(study: Study, aggregates: pd.DataFrame) -> Figure:
    """Draw IQM, mean, median and optimality gap, a line per row, with the offline value in pale.

    Args:
        aggregates: columns `fmq.analysis.statistics.estimates.STATISTICS`.
    """
    rows = comparison_rows(study)
    figure = Figure(figsize=(7.2, 1.3 + 0.34 * len(rows)))
    axes = figure.subplots(1, len(METRICS), sharey=True)
    for axis, metric in zip(axes, METRICS, strict=True):
        chosen = aggregates[aggregates["metric"] == metric]
        for estimate in chosen.itertuples():
            place = rows.index((str(estimate.method), str(estimate.sampler)))
            offline = str(estimate.stage) == "offline"
            y = place - 0.1 if offline else place + 0.1
            _draw_interval(study, axis, y, estimate, rows[place], offline)
        axis.set_xlabel(PANELS[metric])
        axis.set_xlim(-4, 104)
        axis.tick_params(axis="y", length=0)
    _label_rows(axes[0], [row_label(study, *row) for row in rows])
    figure.suptitle(
        "success over tasks and seeds; pale: after offline, strong: after online training"
    )
    return figure


def _label_rows(axis: Axes, labels: Iterable[str]) -> None:
    """Label the lines, the first on top."""
    names = list(labels)
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.6)
    axis.tick_params(axis="y", length=0)


def draw_profiles(study: Study, profiles: pd.DataFrame) -> Figure:
    """Draw the fraction of runs above each success rate, with pointwise intervals, per stage.

    Args:
        profiles: columns `fmq.analysis.statistics.estimates.STATISTICS`.
    """
    figure = Figure(figsize=(7.2, 3.2))
    axes = figure.subplots(1, len(STAGES), sharey=True)
    handles: dict[str, Line2D] = {}
    for axis, stage in zip(axes, STAGES, strict=True):
        for method, sampler in comparison_rows(study, stage):
            own = (profiles["method"] == method) & (profiles["sampler"] == sampler)
            chosen = profiles[own & (profiles["stage"] == stage)]
            label = row_label(study, method, sampler)
            handles[label] = _draw_profile(study, axis, chosen, method, sampler)
        axis.set_title(f"after {stage} training", loc="left")
        axis.set_xlabel("success τ (%)")
        axis.set_xlim(0, 100)
        axis.set_ylim(-3, 103)
    axes[0].set_ylabel("runs with success > τ (%)")
    labels = [row_label(study, *row) for row in comparison_rows(study)]
    lines, ncols = [handles[label] for label in labels], min(6, len(handles))
    figure.legend(handles=lines, labels=labels, loc="outside upper center", ncols=ncols)
    return figure


def _draw_profile(
    study: Study, axis: Axes, profile: pd.DataFrame, method: str, sampler: str
) -> Line2D:
    """Draw the profile of one row; a second sampler has a thin line with hollow markers."""
    style = look(method, study.added_methods)
    filled = _filled(study, method, sampler)
    x, y = 100 * profile["threshold"], 100 * profile["value"]
    low, high = 100 * profile["low"], 100 * profile["high"]
    axis.fill_between(x, low, high, step="post", color=style.color, alpha=0.1, linewidth=0)
    # Stagger the markers, so that coinciding rows can still be told apart.
    start = 4 + 3 * (list(study.known_methods).index(method) * 2 + (not filled))
    markers: dict[str, Any] = {"markerfacecolor": style.color if filled else "white"}
    markers |= {"markevery": (start % 25, 25), "linewidth": 1.6 if filled else 0.9}
    (line,) = axis.plot(x, y, drawstyle="steps-post", **style.options(), **markers)
    return line


def draw_improvement(study: Study, improvement: pd.DataFrame) -> Figure:
    """Draw the probability that the first row beats each other row, per stage.

    Args:
        improvement: columns `fmq.analysis.statistics.estimates.STATISTICS`.
    """
    stages = [stage for stage in STAGES if (improvement["stage"] == stage).any()] or ["online"]
    parts = {stage: improvement[improvement["stage"] == stage] for stage in stages}
    heights = [max(1, len(part)) for part in parts.values()]
    figure = Figure(figsize=(4.6, 1.1 + 0.45 * len(stages) + 0.26 * sum(heights)))
    axes = figure.subplots(len(stages), 1, sharex=True, squeeze=False, height_ratios=heights)
    for axis, (stage, part) in zip(axes[:, 0], parts.items(), strict=True):
        labels = []
        for place, estimate in enumerate(part.itertuples()):
            other = (str(estimate.other_method), str(estimate.other_sampler))
            labels.append(f"over {row_label(study, *other)}")
            _draw_interval(study, axis, place, estimate, other)
        _label_rows(axis, labels)
        axis.axvline(50, color="#333333", linewidth=0.8, linestyle=":")
        axis.set_xlim(-3, 103)
        axis.set_title(f"after {stage} training", loc="left")
    ours = study.method(first_method(study)).label
    axes[-1, 0].set_xlabel(f"probability that {ours} improves (%); dotted: no difference")
    return figure
