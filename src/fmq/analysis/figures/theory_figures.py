"""Draw the measurements of `fmq theory`."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from fmq.analysis.figures.drawing import draw_legend, plain_ticks, task_panels
from fmq.analysis.figures.style import Look, look
from fmq.config.study import Study

CRITICS = {
    "offline": ("offline critics", Look("#000000", "D", (0, (5, 2)))),
    "online": ("critics after FMQ", look("fmq")),
    "quadratic": ("random quadratics", Look("#999933", "v", (0, (1, 1)))),
}
MAPS = {
    "esd": Look("#117733", "o", "-"),
    "lsd": Look("#88CCEE", "s", (0, (5, 2))),
    "psd": Look("#882255", "^", (0, (1, 1))),
}
SMALLEST = 1e-16  # a gap of 0 is drawn here


def _task_panels(
    study: Study, rows: pd.DataFrame, x: str, y: str
) -> tuple[Figure, dict[str, Axes]]:
    """Create a figure with a panel per task that has rows."""
    there = set(rows["task"])
    return task_panels(study, [task for task in study.tasks if task in there], x, y)


def _legend(figure: Figure, axis: Axes, columns: int) -> None:
    draw_legend(figure, axis.get_legend_handles_labels()[0], columns)


def _band(axis: Axes, x: pd.Series, middle: pd.Series, deviation: pd.Series, color: str) -> None:
    """Draw a band of one standard deviation over seeds; nothing with a single seed."""
    low, high = middle - deviation, middle + deviation
    axis.fill_between(x, low, high, color=color, alpha=0.16, linewidth=0)


def draw_optimum(study: Study, measured: pd.DataFrame, rows: pd.DataFrame) -> Figure:
    """Draw the distributions over problems of the gap to the solver and of the missed gain."""
    figure = Figure(figsize=(5.0, 2.6))
    left, right = figure.subplots(1, 2, sharey=True)
    for critic, (label, style) in CRITICS.items():
        own = measured[(measured["critic"] == critic) & (measured["gradient_norm"] > 0)]
        gap = own["displacement_gap"] / own["eta"]
        missed = (1 - own["closed_gain"] / own["best_gain"]).where(own["best_gain"] > 0).dropna()
        for axis, values in ((left, gap), (right, missed)):
            if len(values):
                shown = values.clip(lower=SMALLEST).to_numpy()
                axis.ecdf(shown, label=label, color=style.color, linestyle=style.line)
    right.set_xscale("log")
    plain_ticks(right.xaxis)
    left.axvline(1e-6, color="#333333", linewidth=0.8)
    options: dict[str, Any] = {
        "rotation": 90,
        "ha": "right",
        "va": "center",
        "fontsize": 6.5,
        "color": "#333333",
    }
    left.annotate("tolerance", (1e-6, 0.5), (-3, 0), textcoords="offset points", **options)
    left.set_xscale("log")
    left.set_xlim(right=1e-5)
    left.set_xlabel("|d − d*| / η, expansion of Q")
    right.set_xlabel("missed share of the best rise of Q")
    left.set_ylabel("problems at or below (fraction)")
    _legend(figure, left, 3)
    return figure


def draw_first_order(study: Study, measured: pd.DataFrame, rows: pd.DataFrame) -> Figure:
    """Draw the measured and the predicted rise of Q against the radius."""
    labels = ("length η of the displacement (actions)", "rise of Q (discounted reward)")
    figure, panels = _task_panels(study, rows, *labels)
    for task, axis in panels.items():
        for critic in ("offline", "online"):
            label, style = CRITICS[critic]
            own = rows[(rows["task"] == task) & (rows["critic"] == critic)]
            _band(axis, own["eta"], own["gain"], own["gain_deviation"], style.color)
            measured_line: dict[str, Any] = {"marker": style.marker, "label": f"{label}: measured"}
            axis.plot(own["eta"], own["gain"], color=style.color, **measured_line)
            predicted: dict[str, Any] = {
                "linestyle": (0, (1, 1.5)),
                "label": "predicted to first order",
            }
            axis.plot(own["eta"], own["predicted"], color=style.color, **predicted)
        axis.set_xlim(left=0)
        axis.set_xticks(np.arange(0, own["eta"].max() + 0.1, 0.5))
        axis.axhline(0, color="#333333", linewidth=0.6)
    _legend(figure, next(iter(panels.values())), 2)
    return figure


def draw_map(study: Study, measured: pd.DataFrame, rows: pd.DataFrame) -> Figure:
    """Draw the errors of flow maps against the size of the jump."""
    labels = ("jump 1 − r (flow time)", "distance (actions)")
    figure, panels = _task_panels(study, rows, *labels)
    for task, axis in panels.items():
        for kind, style in MAPS.items():
            own = rows[(rows["task"] == task) & (rows["distillation"] == kind)]
            flow: dict[str, Any] = {"linewidth": 1.5, "label": f"{kind.upper()}: to its flow"}
            axis.plot(own["jump"], own["flow_error"], **style.options(), **flow)
            jumps = {"linewidth": 0.8, "label": f"{kind.upper()}: to two jumps"}
            hollow = style.options() | {"markerfacecolor": "white"} | jumps
            axis.plot(own["jump"], own["semigroup_error"], **hollow)
        axis.set_yscale("log")
        plain_ticks(axis.yaxis)
    _legend(figure, next(iter(panels.values())), 3)
    return figure


def draw_improvement(study: Study, measured: pd.DataFrame, rows: pd.DataFrame) -> Figure:
    """Draw the rise of Q over updates with frozen critics."""
    labels = ("updates on the FMQ loss", "rise of Q (discounted reward)")
    figure, panels = _task_panels(study, rows, *labels)
    color = look("fmq").color
    lines: dict[str, tuple[str, dict[str, Any]]] = {
        "gain": ("rise of Q", {"color": color, "marker": look("fmq").marker}),
        "free_gain": ("not clipped", {"color": "#88CCEE", "linewidth": 3.5, "zorder": 1.9}),
        "predicted": ("predicted to first order", {"color": "#000000", "linestyle": (0, (1, 1))}),
        "promised": ("promised by the target", {"color": "#777777", "linewidth": 0.9}),
    }
    for task, axis in panels.items():
        own = rows[rows["task"] == task]
        _band(axis, own["update"], own["gain"], own["gain_deviation"], color)
        for name, (label, options) in lines.items():
            axis.plot(own["update"], own[name], label=label, **options)
        axis.set_xscale("symlog", linthresh=1)
        ticks = [1, 10, 100]
        axis.set_xticks([0, *ticks], ["0", *map(str, ticks)])
        axis.xaxis.set_minor_locator(NullLocator())
        axis.axhline(0, color="#333333", linewidth=0.6)
    _legend(figure, next(iter(panels.values())), 2)
    return figure


FIGURES = {
    "optimum": draw_optimum,
    "first_order": draw_first_order,
    "map": draw_map,
    "improvement": draw_improvement,
}
NOTES = {
    "optimum": (
        "Problems of all tasks and seeds. Left: distance from the closed form d* to SLSQP's "
        "optimum d, for the worst start. Right: the share that d* misses of the largest rise of Q "
        "itself found in the trust region."
    ),
    "first_order": (
        "Means over states of the data set and over seeds: measured, Q(a_1 + η g / |g|) − Q(a_1); "
        "predicted, η |g|."
    ),
    "map": (
        "Distance from X(r,1) to the flow of its own diagonal (filled) and to two jumps of half "
        "the size (hollow), averaged over states and seeds; chunks are not clipped."
    ),
    "improvement": (
        "A copy of the offline policy, trained with its critics frozen; means over a fixed batch "
        "and over seeds."
    ),
}


def theory_note(name: str, rows: pd.DataFrame) -> str:
    """Return the footnote of a figure, which says what its bands are, if it has any."""
    if "gain_deviation" not in rows:
        return NOTES[name]
    single = rows["gain_deviation"].isna().all()
    bands = "One seed: no bands." if single else "Bands: one standard deviation over seeds."
    return f"{NOTES[name]} {bands}"
