"""Report the ablations: FMQ with one setting changed, other samplers, and other distillations.

Rows are ordered as in the settings, and each group begins with the study's own choice. Success is
that of the last checkpoint, as everywhere.
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import pandas as pd

from fmq.analysis.figures.ablation_figures import TITLES, draw_ablations
from fmq.analysis.figures.drawing import footnote, save_figure
from fmq.analysis.figures.style import STYLE, short_task_names
from fmq.analysis.inputs.csvw import Column, write_table
from fmq.analysis.inputs.provenance import collect_provenance, source_sentences
from fmq.analysis.statistics.last_checkpoints import (
    IQM,
    SCORES,
    SUMMARY,
    collect,
    interval_words,
    percent,
    summarise,
)
from fmq.analysis.tables.listing import Listing, write_listing
from fmq.config.study import Study
from fmq.pipeline.variants import ablation_rows

ROWS = {
    "group": Column("string", "what is varied", allowed=tuple(TITLES)),
    "label": Column("string", "the variant; the first of a group is the study's own choice"),
}


def write_ablations(study: Study, results: Path, manifests: Sequence[Path], folder: Path) -> None:
    """Write scores.csv, summary.csv, a table for each group, and the figure into `folder`.

    Args:
        results: folder with `runs/`.

    Raises:
        UserError: an evaluation is missing or does not belong to the study.
    """
    variants = ablation_rows(study)
    rows = [(variant.run, variant.sampler) for variant in variants]
    scores = collect(study, results, manifests, rows, "ablations")
    named = pd.DataFrame(variants)
    summary = named.merge(summarise(study, scores), on=["run", "sampler"])
    provenance = collect_provenance(study, manifests)
    write_table(folder / "scores.csv", scores, SCORES, provenance)
    write_table(folder / "summary.csv", summary, ROWS | dict(SUMMARY), provenance)
    source = source_sentences(provenance)
    for group, title in TITLES.items():
        words = f"Ablations of {title}: success in percent of the last checkpoints."
        caption = f"{words} {interval_words(study)} {source}"
        cells = _cells(study, summary[summary["group"] == group])
        write_listing(
            folder / group, Listing(f"tab:ablations-{group}", caption, *cells), provenance
        )
    with mpl.rc_context(STYLE):
        figure = draw_ablations(summary)
        footnote(figure, f"Thin marks: single tasks. {interval_words(study)} {source}")
        save_figure(figure, folder / "ablations", "Ablations", provenance)


def _cells(study: Study, summary: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Return header and rows: a row per variant, with columns for the IQM and each task."""
    names = short_task_names(study.tasks) | {IQM: IQM}
    places = [IQM, *study.tasks]
    rows = []
    for label in summary["label"].unique():
        found = summary[summary["label"] == label].set_index("task")
        cells = [percent(found.loc[place]) if place in found.index else "–" for place in places]
        rows.append([label, *cells])
    return ["", *(names[place] for place in places)], rows
