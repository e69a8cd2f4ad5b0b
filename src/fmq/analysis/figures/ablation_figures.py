"""Draw one panel per group of ablations: a line per variant, with the study's own choice on top."""

import textwrap

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fmq.analysis.figures.style import look

TITLES = {
    "offline": "distillation before fine-tuning",
    "training": "training",
    "sampling": "sampling",
}
OWN, OTHER = look("fmq").color, "#7A7A7A"


def draw_ablations(summary: pd.DataFrame) -> Figure:
    """Draw the IQM of success with its interval, and each task's mean as a pale mark.

    Args:
        summary: columns ``group`` and ``label``, and those of `last_checkpoints.SUMMARY`.
    """
    counts = [len(summary.loc[summary["group"] == group, "label"].unique()) for group in TITLES]
    figure = Figure(figsize=(7.2, 1.5 + 0.17 * max(counts)))
    axes = figure.subplots(1, len(TITLES), sharex=True)
    for axis, (group, title) in zip(axes, TITLES.items(), strict=True):
        _draw_group(axis, summary[summary["group"] == group])
        axis.set_title(textwrap.fill(title, 20))
        axis.set_xlabel("success (%)")
    return figure


def _draw_group(axis: Axes, summary: pd.DataFrame) -> None:
    labels = list(summary["label"].unique())
    for place, label in enumerate(labels):
        color = OTHER if place else OWN
        own = summary[summary["label"] == label].set_index("task")
        tasks = own.drop(index="IQM", errors="ignore")
        axis.plot(100 * tasks["value"], [place] * len(tasks), "|", color=color, alpha=0.5)
        if "IQM" not in own.index:
            continue
        iqm = own.loc["IQM"]
        axis.plot([100 * iqm["low"], 100 * iqm["high"]], [place] * 2, color=color, linewidth=2.2)
        axis.plot(100 * iqm["value"], place, "o", color=color)
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(len(labels) - 0.5, -0.5)
    axis.set_xlim(-4, 104)
