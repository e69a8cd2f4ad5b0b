"""Draw estimates with intervals: aggregates, performance profiles, improvement."""

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fmq.analysis.figures.drawing import draw_interval, draw_legend, offline_policy
from fmq.analysis.figures.style import row_look
from fmq.analysis.inputs.scores import STAGES, comparison_rows
from fmq.analysis.statistics.comparisons import first_method
from fmq.config.study import Study
from fmq.pipeline.variants import row_label


def _draw_estimate(
    study: Study, axis: Axes, place: int, estimate: Any, row: tuple[str, str]
) -> None:
    """Draw an estimate of a row and its interval, in percent."""
    percent = 100 * estimate.value, 100 * estimate.low, 100 * estimate.high
    draw_interval(axis, place, percent, row_look(study, *row).color)


def draw_aggregates(study: Study, aggregates: pd.DataFrame) -> Figure:
    """Draw the IQM of success, a line per row, with a panel per stage.

    Mean, median and optimality gap are in the table: the gap is 100% less the mean, and three
    panels that say the same would hide the fourth.

    Args:
        aggregates: columns `fmq.analysis.statistics.estimates.STATISTICS`.
    """
    rows = comparison_rows(study)
    figure = Figure(figsize=(3.6, 1.1 + 0.21 * len(rows)))
    axes = figure.subplots(1, len(STAGES), sharex=True, sharey=True)
    chosen = aggregates[aggregates["metric"] == "iqm"]
    for axis, stage in zip(axes, STAGES, strict=True):
        for estimate in chosen[chosen["stage"] == stage].itertuples():
            row = str(estimate.method), str(estimate.sampler)
            _draw_estimate(study, axis, rows.index(row), estimate, row)
        axis.set_title(stage, loc="left")
        axis.set_xlabel("IQM (%)")
        axis.set_xticks([0, 25, 50, 75, 100])
        axis.set_xlim(-3, 103)
        axis.tick_params(axis="y", length=0)
    _label_rows(axes[0], [row_label(study, *row) for row in rows])
    return figure


def _label_rows(axis: Axes, labels: Iterable[str]) -> None:
    """Label the lines, the first on top."""
    names = list(labels)
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(max(1, len(names)) - 0.5, -0.5)
    axis.tick_params(axis="y", length=0)


def draw_profiles(study: Study, profiles: pd.DataFrame) -> Figure:
    """Draw the fraction of runs above each success rate, with pointwise intervals, per stage.

    Args:
        profiles: columns `fmq.analysis.statistics.estimates.STATISTICS`.
    """
    rows = comparison_rows(study)
    columns = min(3, len(rows))
    figure = Figure(figsize=(5.0, 2.6 + 0.17 * math.ceil(len(rows) / columns)))
    axes = figure.subplots(1, len(STAGES), sharey=True)
    for axis, stage in zip(axes, STAGES, strict=True):
        drawn = set()
        for row in comparison_rows(study, stage):
            policy = offline_policy(study, *row)
            if stage == "online" or policy not in drawn:
                _draw_profile(study, axis, profiles[profiles["stage"] == stage], row)
            drawn.add(policy)
        axis.set_title(f"after {stage} training", loc="left")
        axis.set_xlabel("success τ (%)")
        axis.set_xlim(0, 100)
        axis.set_ylim(-3, 103)
    axes[0].set_ylabel("runs with success > τ (%)")
    handles = [Line2D([], [], label=row_label(study, *row), **_line(study, *row)) for row in rows]
    draw_legend(figure, handles, columns, handlelength=3.2)
    return figure


def _line(study: Study, method: str, sampler: str) -> dict[str, Any]:
    """Return the look of a row's profile, which has no markers: it has no data points."""
    style = row_look(study, method, sampler)
    return {"color": style.color, "linestyle": style.line}


def _draw_profile(study: Study, axis: Axes, profiles: pd.DataFrame, row: tuple[str, str]) -> None:
    """Draw the profile of one row with its band."""
    method, sampler = row
    own = profiles[(profiles["method"] == method) & (profiles["sampler"] == sampler)]
    x, y, low, high = (100 * own[name] for name in ("threshold", "value", "low", "high"))
    options = _line(study, *row)
    axis.fill_between(x, low, high, step="post", color=options["color"], alpha=0.1, linewidth=0)
    axis.plot(x, y, drawstyle="steps-post", **options)


def draw_improvement(study: Study, improvement: pd.DataFrame) -> Figure:
    """Draw the probability that the first row beats each other row, per stage.

    Args:
        improvement: columns `fmq.analysis.statistics.estimates.STATISTICS`.
    """
    stages = [stage for stage in STAGES if (improvement["stage"] == stage).any()] or ["online"]
    parts = {stage: improvement[improvement["stage"] == stage] for stage in stages}
    heights = [max(1, len(part)) for part in parts.values()]
    figure = Figure(figsize=(3.6, 0.9 + 0.4 * len(stages) + 0.21 * sum(heights)))
    axes = figure.subplots(len(stages), 1, sharex=True, squeeze=False, height_ratios=heights)
    for axis, (stage, part) in zip(axes[:, 0], parts.items(), strict=True):
        labels = []
        for place, estimate in enumerate(part.itertuples()):
            other = (str(estimate.other_method), str(estimate.other_sampler))
            labels.append(f"over {row_label(study, *other)}")
            _draw_estimate(study, axis, place, estimate, other)
        _label_rows(axis, labels)
        axis.axvline(50, color="#333333", linewidth=0.8, linestyle=":")
        axis.set_xlim(-3, 103)
        axis.set_title(f"after {stage} training", loc="left")
    ours = study.method(first_method(study)).label
    axes[-1, 0].set_xlabel(f"probability that {ours} is better (%)")
    return figure
