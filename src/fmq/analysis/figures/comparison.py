"""Write the figures of the study as PDF and PNG; the same numbers give the same bytes."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from fmq.analysis.figures.curves import learning_curves
from fmq.analysis.figures.drawing import footnote, save_figure
from fmq.analysis.figures.interval_figures import draw_aggregates, draw_improvement, draw_profiles
from fmq.analysis.figures.published_curves import reported_note
from fmq.analysis.figures.style import STYLE
from fmq.analysis.inputs.origin import check_statistics_origin
from fmq.analysis.inputs.provenance import (
    collect_provenance,
    source_sentences,
)
from fmq.analysis.inputs.scores import expected_scores, found_scores, load_scores
from fmq.analysis.inputs.unfinished import curves_words, rows_words
from fmq.analysis.statistics.estimates import read_estimates
from fmq.config.study import Study

TITLES = {
    "learning_curves": "Success during offline and online training",
    "aggregates": "Aggregate success with bootstrap intervals",
    "profiles": "Performance profiles",
    "improvement": "Probability of improvement",
}


def write_figures(
    study: Study,
    scores_path: Path,
    statistics_folder: Path,
    manifests: Sequence[Path],
    folder: Path,
) -> None:
    """Write learning_curves, aggregates, profiles and improvement as .pdf and .png.

    Raises:
        UserError: the scores or statistics are missing or belong to another study.
    """
    scores = load_scores(study, scores_path)
    tables = {
        name: read_estimates(study, statistics_folder, name)
        for name in ("aggregates", "profiles", "improvement")
    }
    check_statistics_origin(
        study, [statistics_folder / f"{name}.csv" for name in tables], scores_path
    )
    provenance = collect_provenance(study, manifests)
    unfinished = bool(expected_scores(study) - found_scores(scores))
    told = f"{_interval_sentence(study, unfinished)} {source_sentences(provenance)}"
    notes = {"learning_curves": reported_note(study)} | dict.fromkeys(tables, "")
    if unfinished:
        notes["learning_curves"] += f" {curves_words(study, scores)}"
        notes |= {name: rows_words(study, table) for name, table in tables.items()}
    with mpl.rc_context(STYLE):
        figures = {
            "learning_curves": learning_curves(study, scores),
            "aggregates": draw_aggregates(study, tables["aggregates"]),
            "profiles": draw_profiles(study, tables["profiles"]),
            "improvement": draw_improvement(study, tables["improvement"]),
        }
        for name, figure in figures.items():
            footnote(figure, f"{notes[name]} {told}".lstrip())
            save_figure(figure, folder / name, TITLES[name], provenance)


def _interval_sentence(study: Study, unfinished: bool) -> str:
    if len(study.seeds) == 1:
        return "One seed: no intervals."
    percent = f"{100 * study.statistics.confidence:g}%"
    up_to = "up to " if unfinished else ""
    return f"Bands and bars: {percent} bootstrap intervals over {up_to}{len(study.seeds)} seeds."
