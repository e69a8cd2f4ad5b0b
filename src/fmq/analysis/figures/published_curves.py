"""Draw what papers report into the learning curves of a study."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from fmq.analysis.figures.style import look
from fmq.analysis.inputs.published import (
    FMQ,
    FMQ_ROW,
    OWN,
    beside,
    budget_words,
    protocol_words,
    reported_curves,
    reported_finals,
)
from fmq.analysis.inputs.words import paragraph
from fmq.config.study import Study

_DASHES = (0, (4, 2.5))
# Several methods often have the same value, so each has its own x position beyond the end.
_FIRST_PLACE, _STEP = 2.07, 0.075


def finals_beside(study: Study) -> pd.DataFrame:
    """Return the FMQ paper's final values that `study` shows, under each method's own sampler."""
    finals = beside(study, reported_finals())
    own = finals["method"].map({name: row.sampler for name, row in study.known_methods.items()})
    return finals[(finals["row"] == FMQ_ROW) & (finals["sampler"] == own)]


def draw_reported(axis: Axes, study: Study, task: str) -> None:
    """Draw the reported curves into the axis of `task`, and the final values beyond its end."""
    curves, finals = beside(study, reported_curves()), finals_beside(study)
    for method, curve in curves[curves["task"] == task].groupby("method"):
        color = look(str(method), study.added_methods).color
        steps, low, high = (curve[name].to_numpy() for name in ("position", "low", "high"))
        axis.fill_between(steps, 100 * low, 100 * high, color=color, alpha=0.08, linewidth=0)
        axis.plot(steps, 100 * curve["value"], color=color, linestyle=_DASHES, linewidth=0.9)
    methods = [method for method in study.methods if method in set(finals["method"])]
    for place, method in enumerate(methods):
        style = look(method, study.added_methods)
        value = finals[(finals["task"] == task) & (finals["method"] == method)]["value"]
        x = [_FIRST_PLACE + _STEP * place] * len(value)
        axis.plot(x, 100 * value, **_open_marker(style.marker, style.color))
    if methods:
        axis.set_xlim(0, _FIRST_PLACE + _STEP * (len(methods) - 0.5))


def reported_handles(study: Study) -> list[Line2D]:
    """Return the legend entries for what `draw_reported` draws, which may be nothing."""
    curves, finals = beside(study, reported_curves()), finals_beside(study)
    handles = []
    for row in curves.drop_duplicates("method").itertuples():
        line: dict[str, Any] = {
            "color": look(str(row.method), study.added_methods).color,
            "linestyle": _DASHES,
        }
        told = f"{row.label}, reported ({OWN[str(row.reported_as)]})"
        handles.append(Line2D([], [], linewidth=0.9, label=told, **line))
    if len(finals):
        label = f"reported final value ({FMQ})"
        handles.append(Line2D([], [], label=label, **_open_marker("o", "#333333")))
    return handles


def reported_note(study: Study) -> str:
    """Return the sentences for the figure's footnote; an empty string if nothing is reported."""
    curves, finals = beside(study, reported_curves()), finals_beside(study)
    if curves.empty and finals.empty:
        return ""
    lines = (
        "Thin dashes, not run here: QC as its authors report it, with 95% intervals; the axis "
        "shows fractions of its 1M offline and 1M online steps, as for ours."
    )
    markers = f"Open markers, not run here: final values of {protocol_words()}."
    shown = (lines if len(curves) else "", markers if len(finals) else "")
    return paragraph(*shown, budget_words(study))


def _open_marker(marker: str, color: str) -> dict[str, Any]:
    return {
        "marker": marker,
        "color": color,
        "markerfacecolor": "white",
        "markersize": 4.0,
        "markeredgewidth": 0.9,
        "linestyle": "none",
    }
