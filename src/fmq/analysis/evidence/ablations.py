"""Report the ablations: FMQ with one setting changed, other samplers, and other distillations.

Rows are ordered as in the settings, and each group begins with the study's own choice. Success is
that of the last checkpoint, as everywhere.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fmq.analysis.figures.drawing import draw_interval, write_figure
from fmq.analysis.figures.style import look
from fmq.analysis.inputs.csvw import Column, write_table
from fmq.analysis.inputs.provenance import collect_provenance
from fmq.analysis.inputs.words import paragraph, shared_words
from fmq.analysis.statistics.last_checkpoints import (
    SCORES,
    SUMMARY,
    collect,
    interval_words,
    percent,
    summarise,
)
from fmq.analysis.tables.listing import Listing, write_listing
from fmq.analysis.tables.texts import MISSING
from fmq.config.study import Study
from fmq.config.task_names import short_task_names
from fmq.config.tasks import IQM
from fmq.pipeline.variants import ablation_rows

TITLES = {
    "offline": "distillation before fine-tuning",
    "training": "training",
    "sampling": "sampling",
}
COLUMNS = 4
"""Tasks that a table has columns for; with more, their letters would be too small to read."""
OWN, OTHER = look("fmq").color, "#7A7A7A"
ROWS = {
    "group": Column("string", "what is varied", allowed=tuple(TITLES)),
    "label": Column("string", "the variant; the first of a group is the study's own choice"),
}


def write_ablations(
    study: Study, results: Path, folder: Path, manifests: Sequence[Path] = ()
) -> None:
    """Write scores, their summary, a table for each group and the figure into `folder`/ablations.

    Args:
        results: folder with `runs/`.

    Raises:
        UserError: an evaluation is missing or does not belong to the study.
    """
    folder = folder / "ablations"
    variants = ablation_rows(study)
    rows = [(variant.run, variant.sampler) for variant in variants]
    scores = collect(study, results, manifests, rows, "ablations")
    named = pd.DataFrame(variants)
    summary = named.merge(summarise(study, scores), on=["run", "sampler"])
    provenance = collect_provenance(study, manifests)
    write_table(folder / "scores.csv", scores, SCORES, provenance)
    write_table(folder / "summary.csv", summary, ROWS | dict(SUMMARY), provenance)
    words = paragraph(interval_words(study, summary), shared_words(study))
    for group, title in TITLES.items():
        caption = f"Ablations of {title}: success in percent of the last checkpoints."
        cells = _cells(study, summary[summary["group"] == group])
        note = paragraph(words, "" if _has_room(study) else "Single tasks: summary.csv.")
        listing = Listing(f"tab:ablations-{group}", caption, *cells, note=note)
        write_listing(folder / group, listing, provenance)
    bars = "marks: IQM." if len(study.seeds) == 1 else "marks and bars: IQM and its interval."
    note = f"Dots: single tasks; {bars} {words}"
    write_figure(folder / "ablations", "Ablations", note, provenance, draw_ablations, summary)


def _has_room(study: Study) -> bool:
    """Return whether a column for each task fits the width of a page."""
    return len(study.tasks) <= COLUMNS


def _cells(study: Study, summary: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Return header and rows: a row per variant, the IQM and, where there is room, each task."""
    names = short_task_names(study.tasks) | {IQM: IQM}
    places = [IQM, *(study.tasks if _has_room(study) else ())]
    rows = []
    for label in summary["label"].unique():
        found = summary[summary["label"] == label].set_index("task")
        cells = [
            percent(study, found.loc[place]) if place in found.index else MISSING
            for place in places
        ]
        rows.append([label, *cells])
    return ["", *(names[place] for place in places)], rows


def draw_ablations(summary: pd.DataFrame) -> Figure:
    """Draw the IQM of success with its interval, and each task's mean as a dot.

    Args:
        summary: columns ``group`` and ``label``, and those of `last_checkpoints.SUMMARY`.
    """
    counts = [len(summary.loc[summary["group"] == group, "label"].unique()) for group in TITLES]
    figure = Figure(figsize=(3.6, 1.6 + 0.15 * sum(counts)))
    heights = [max(1, count) for count in counts]
    axes = figure.subplots(len(TITLES), 1, sharex=True, height_ratios=heights)
    for axis, (group, title) in zip(axes, TITLES.items(), strict=True):
        _draw_group(axis, summary[summary["group"] == group])
        axis.set_title(title, loc="left")
    axes[-1].set_xlabel("success (%)")
    return figure


def _draw_group(axis: Axes, summary: pd.DataFrame) -> None:
    labels = list(summary["label"].unique())
    for place, label in enumerate(labels):
        color = OTHER if place else OWN
        own = summary[summary["label"] == label].set_index("task")
        tasks = own.drop(index=IQM, errors="ignore")
        axis.plot(100 * tasks["value"], [place] * len(tasks), ".", color=color, markersize=2.5)
        if IQM not in own.index:
            continue
        iqm = own.loc[IQM]
        percent = 100 * iqm["value"], 100 * iqm["low"], 100 * iqm["high"]
        draw_interval(axis, place, percent, color)
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(max(1, len(labels)) - 0.5, -0.5)
    axis.tick_params(axis="y", length=0)
    axis.set_xlim(-4, 104)
