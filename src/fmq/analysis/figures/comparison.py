"""Write the figures of the study as PDF and PNG; the same numbers give the same bytes."""

from collections.abc import Sequence
from pathlib import Path

from fmq.analysis.figures.curves import learning_curves
from fmq.analysis.figures.drawing import offline_policy, write_figure
from fmq.analysis.figures.interval_figures import draw_aggregates, draw_improvement, draw_profiles
from fmq.analysis.figures.published_curves import reported_note
from fmq.analysis.inputs.provenance import collect_provenance
from fmq.analysis.inputs.scores import comparison_rows, expected_scores, found_scores, load_scores
from fmq.analysis.inputs.words import (
    confidence,
    curves_words,
    paragraph,
    rows_words,
    shared_words,
)
from fmq.analysis.statistics.estimates import read_statistics
from fmq.config.study import Study

FIGURES = {
    "learning_curves": ("Success during offline and online training", learning_curves),
    "aggregates": ("Interquartile mean of success with bootstrap intervals", draw_aggregates),
    "profiles": ("Performance profiles", draw_profiles),
    "improvement": ("Probability of improvement", draw_improvement),
}
"""The title of each figure, and the function that draws it."""

_BARS = {
    "aggregates": "IQM: interquartile mean of success over tasks and seeds.",
    "improvement": "Dotted: no difference.",
}
"""A sentence on each figure whose intervals are bars; those of the others are bands."""


def write_figures(study: Study, folder: Path, manifests: Sequence[Path] = ()) -> None:
    """Draw the scores and statistics in `folder` as `folder`/figures/NAME.pdf and .png.

    Raises:
        UserError: the scores or statistics are missing or belong to another study.
    """
    scores = load_scores(study, folder / "scores.csv")
    names = ("aggregates", "profiles", "improvement")
    tables = read_statistics(study, folder, names)
    provenance = collect_provenance(study, manifests)
    unfinished = bool(expected_scores(study) - found_scores(scores))
    notes = dict.fromkeys(tables, "") | {"learning_curves": reported_note(study)}
    if unfinished:
        notes["learning_curves"] += f" {curves_words(study, scores)}"
        notes |= {name: rows_words(study, table) for name, table in tables.items()}
    up_to = "up to " if unfinished else ""
    over = f"{confidence(study)} bootstrap intervals over {up_to}{len(study.seeds)} seeds."
    for name, (title, draw) in FIGURES.items():
        shape, words = ("Bars", _BARS[name]) if name in _BARS else ("Bands", _curve_words(study))
        if name == "learning_curves":
            words = paragraph(words, _stranger_words(study))
        intervals = "One seed: no intervals." if len(study.seeds) == 1 else f"{shape}: {over}"
        note = paragraph(notes[name].strip(), intervals, words, shared_words(study))
        shown = tables.get(name, scores)
        write_figure(folder / "figures" / name, title, note, provenance, draw, study, shown)


def _curve_words(study: Study) -> str:
    """Say that methods share an offline curve, if they do."""
    rows = comparison_rows(study, "offline")
    policies = {offline_policy(study, *row) for row in rows}
    shared = "Offline, methods that act with the same policy share the curve of the first."
    return shared if len(policies) < len(rows) else ""


def _stranger_words(study: Study) -> str:
    """Name the methods that are not trained here, if there are any."""
    strangers = [name for name in study.methods if name not in study.trained_methods]
    labels = ", ".join(study.method(name).label for name in strangers)
    return f"Not trained here, so without a curve of training: {labels}." if strangers else ""
