"""Draw learning curves across the offline and the online stage."""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fmq.analysis.figures.drawing import (
    draw_legend,
    draw_mean,
    method_handle,
    offline_policy,
    task_panels,
)
from fmq.analysis.figures.published_curves import draw_reported, reported_handles
from fmq.analysis.figures.style import look
from fmq.config.study import Study


def learning_curves(study: Study, scores: pd.DataFrame) -> Figure:
    """Draw success over training for each task: mean and bootstrap interval over seeds.

    Each method is shown under its own sampler. An offline curve that several methods share is
    drawn once, for the first of them; methods that are not trained here have no curve. The stages
    count different steps, so each takes half of the axis: gradient steps, then environment steps.
    Most of the offline half is left out if its only evaluation is the last.
    In an unfinished study, a point is the mean over the seeds that have reached it.

    Args:
        scores: tidy scores, columns `fmq.analysis.inputs.scores.SCORES`.
    """
    reported = reported_handles(study)
    labels = ("gradient | environment steps", "success (%)")
    size = (6.0 if reported else 3.6, 0.9)
    figure, panels = task_panels(study, study.tasks, *labels, size, pad=12, sharey=True)
    for task, axis in panels.items():
        _draw_task(axis, study, scores[scores["task"] == task])
        _divide(axis, study)
        draw_reported(axis, study, task)
        first = np.concatenate([line.get_xdata() for line in axis.lines]).min()
        axis.set_xlim(left=0 if first < 1 else 0.7)  # ticks outside are not drawn
    handles = [
        method_handle(study, method, markeredgecolor="white", **_marker(study, method))
        for method in study.trained_methods
    ]
    if reported:
        # Legends fill by columns: pairs of our methods first, then the reported entries stacked.
        handles += [Line2D([], [], linestyle="none", label=" ")] * (len(handles) % 2) + reported
    draw_legend(figure, handles, math.ceil(len(handles) / 2) if reported else len(handles))
    return figure


def _draw_task(axis: Axes, study: Study, scores: pd.DataFrame) -> None:
    """Draw one line per method; x is the fraction of the budget, 0 to 1 offline, 1 to 2 online."""
    starts = {name: _start(study, name) for name in reversed(study.trained_methods)}
    first = {start: name for name, start in starts.items()}
    # The first method is drawn last, on top.
    for method, start in starts.items():
        acting = study.method(method).sampler
        own = scores[(scores["method"] == method) & (scores["sampler"] == acting)]
        offline = own["stage"] == "offline"
        if first[start] != method:
            own = own[~offline | (own["step"] == study.offline.steps)]
        position = (own["step"] / study.offline.steps).where(
            offline, 1 + own["step"] / study.online.steps
        )
        if own.empty:
            continue
        x, y = position.to_numpy(), 100 * own["success"].to_numpy()
        draw_mean(axis, study, method, x, y, "learning curves", **_marker(study, method))
    axis.set_ylim(-4, 104)


def _marker(study: Study, method: str) -> dict[str, Any]:
    return {"marker": look(method, study.added_methods).marker, "markeredgewidth": 0.4}


def _start(study: Study, method: str) -> tuple[str | None, str]:
    """Return what methods share if they have the same offline curve."""
    return offline_policy(study, method, study.method(method).sampler)


def _divide(axis: Axes, study: Study) -> None:
    """Mark where the online stage begins, and name both halves of the axis."""
    axis.axvline(1, color="#333333", linewidth=0.8)
    places: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
    words: dict[str, Any] = {"va": "bottom", "fontsize": 6.5, "color": "#333333"}
    axis.annotate("offline", (1, 1), (-3, 2), ha="right", **places, **words)
    axis.annotate("online", (1, 1), (3, 2), ha="left", **places, **words)
    offline, online = study.offline.steps, study.online.steps
    steps = [*map(short_steps, (0, offline / 2, offline, online / 2, online))]
    steps[2] += " | 0"
    axis.set_xticks([0, 0.5, 1, 1.5, 2], steps)
    axis.set_xlim(0, 2.04)


def short_steps(steps: float) -> str:
    """Abbreviate a number of steps: 1500 as 1.5k, 2000000 as 2M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if steps >= size:
            return f"{steps / size:g}{letter}"
    return f"{steps:g}"
