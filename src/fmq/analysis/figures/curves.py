"""Draw learning curves across the offline and the online stage."""

import math

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fmq.analysis.figures.published_curves import draw_reported, reported_handles
from fmq.analysis.figures.style import look, short_task_names
from fmq.base.seeding import derive_seed
from fmq.config.study import Study

COLUMNS = 4


def learning_curves(study: Study, scores: pd.DataFrame) -> Figure:
    """Draw success over training for each task: mean and bootstrap interval over seeds.

    Each method is shown under its own sampler. An offline curve that several methods share is
    drawn once, for the first of them; methods that are not trained here have no curve. The stages
    count different steps, so each takes half of the axis: gradient steps, then environment steps.
    In an unfinished study, a point is the mean over the seeds that have reached it.

    Args:
        scores: tidy scores, columns `fmq.analysis.inputs.scores.SCORES`.
    """
    columns = min(COLUMNS, len(study.tasks))
    rows = math.ceil(len(study.tasks) / columns)
    reported = reported_handles(study)
    width = max(5.0 if reported else 3.6, 0.9 + (2.6 if columns < COLUMNS else 2.2) * columns)
    figure = Figure(figsize=(width, 0.9 + 2.0 * rows))
    axes = list(figure.subplots(rows, columns, squeeze=False, sharey=True).flat)
    names = short_task_names(study.tasks)
    for place, axis in enumerate(axes):
        if place < len(study.tasks):
            task = study.tasks[place]
            _draw_task(axis, study, scores[scores["task"] == task])
            _divide(axis, study)
            draw_reported(axis, study, task)
            axis.set_title(names[task], loc="left", pad=12)
            if place + columns >= len(study.tasks):
                axis.set_xlabel("gradient steps | environment steps")
            if place % columns == 0:
                axis.set_ylabel("success (%)")
        else:
            axis.set_visible(False)
    handles = [_handle(study, method) for method in study.trained_methods]
    if reported:
        # Legends fill by columns: pairs of our methods first, then the reported entries stacked.
        handles += [Line2D([], [], linestyle="none", label=" ")] * (len(handles) % 2) + reported
    ncols = max(1, math.ceil(len(handles) / (2 if reported else 1)))
    figure.legend(handles=handles, loc="outside upper center", ncols=ncols)
    return figure


def _draw_task(axis: Axes, study: Study, scores: pd.DataFrame) -> None:
    """Draw one line per method; x is the fraction of the budget, 0 to 1 offline, 1 to 2 online."""
    interval = ("ci", 100 * study.statistics.confidence) if len(study.seeds) > 1 else None
    first = {_start(study, method): method for method in reversed(study.trained_methods)}
    # The first method is drawn last, on top.
    for method in reversed(study.trained_methods):
        acting = study.method(method).sampler
        own = scores[(scores["method"] == method) & (scores["sampler"] == acting)]
        offline = own["stage"] == "offline"
        if first[_start(study, method)] != method:
            own = own[~offline | (own["step"] == study.offline.steps)]
        position = (own["step"] / study.offline.steps).where(
            offline, 1 + own["step"] / study.online.steps
        )
        if own.empty:
            continue
        style = look(method, study.added_methods)
        sns.lineplot(
            x=position.to_numpy(),
            y=100 * own["success"].to_numpy(),
            ax=axis,
            color=style.color,
            marker=style.marker,
            linestyle=style.line,
            markeredgewidth=0.4,
            errorbar=interval,
            n_boot=study.statistics.resamples,
            seed=derive_seed(study.seed, "learning curves") % 2**32,
            err_kws={"alpha": 0.16, "linewidth": 0},
        )
    axis.set_ylim(-4, 104)


def _start(study: Study, method: str) -> tuple[str | None, str]:
    """Return what methods share if they have the same offline curve."""
    return study.offline_run(method), study.method(method).sampler


def _divide(axis: Axes, study: Study) -> None:
    """Mark where the online stage begins, and name both halves of the axis."""
    axis.axvline(1, color="#333333", linewidth=0.8)
    for side, text in ((-1, "offline"), (1, "online")):
        axis.annotate(
            text,
            (1, 1),
            xytext=(3 * side, 2),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="right" if side < 0 else "left",
            va="bottom",
            fontsize=6.5,
            color="#333333",
        )
    offline, online = study.offline.steps, study.online.steps
    labels = [
        "0",
        short_steps(offline / 2),
        f"{short_steps(offline)} | 0",
        short_steps(online / 2),
        short_steps(online),
    ]
    axis.set_xticks([0, 0.5, 1, 1.5, 2], labels)
    axis.set_xlim(0, 2.04)


def short_steps(steps: float) -> str:
    """Abbreviate a number of steps: 1500 as 1.5k, 2000000 as 2M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if steps >= size:
            return f"{steps / size:g}{letter}"
    return f"{steps:g}"


def _handle(study: Study, method: str) -> Line2D:
    style = look(method, study.added_methods)
    return Line2D(
        [],
        [],
        color=style.color,
        marker=style.marker,
        linestyle=style.line,
        markeredgecolor="white",
        markeredgewidth=0.4,
        label=study.method(method).label,
    )
