"""The figures of the study, as PDF and PNG: the same bytes for the same numbers."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from fmq.analysis.curves import learning_curves
from fmq.analysis.estimates import read_estimates
from fmq.analysis.interval_figures import draw_aggregates, draw_improvement, draw_profiles
from fmq.analysis.provenance import (
    collect_provenance,
    data_sentence,
    provenance_lines,
    study_sentence,
)
from fmq.analysis.published_curves import reported_note
from fmq.analysis.scores import load_scores
from fmq.analysis.style import STYLE
from fmq.files import atomic_path
from fmq.settings import Study

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
        UserError: the scores or statistics are missing or of another study.
    """
    scores = load_scores(study, scores_path)
    tables = {
        name: read_estimates(study, statistics_folder, name)
        for name in ("aggregates", "profiles", "improvement")
    }
    provenance = collect_provenance(study, manifests)
    sentences = (_interval_sentence(study), data_sentence(provenance), study_sentence(provenance))
    footnote = " ".join(sentences)
    with mpl.rc_context(STYLE):
        figures = {
            "learning_curves": learning_curves(study, scores),
            "aggregates": draw_aggregates(study, tables["aggregates"]),
            "profiles": draw_profiles(study, tables["profiles"]),
            "improvement": draw_improvement(study, tables["improvement"]),
        }
        for name, figure in figures.items():
            note = reported_note(study) if name == "learning_curves" else ""
            _footnote(figure, f"{note} {footnote}".lstrip())
            _save(figure, folder / name, TITLES[name], provenance)


def _interval_sentence(study: Study) -> str:
    if len(study.seeds) == 1:
        return "One seed: no intervals."
    percent = f"{100 * study.statistics.confidence:g}%"
    return f"Bands and bars: {percent} bootstrap intervals over {len(study.seeds)} seeds."


def _footnote(figure: Figure, text: str) -> None:
    """Say under the figure whose data it shows, because figures travel without their text."""
    width = int(figure.get_figwidth() * 24)
    lines = textwrap.fill(text, width, break_on_hyphens=False)
    figure.supxlabel(lines, x=0.01, ha="left", fontsize=5.5, color="#555555")


def _save(figure: Figure, path: Path, title: str, provenance: Mapping[str, Any]) -> None:
    """Write both formats, without a date, with the provenance in their metadata."""
    text = "\n".join(provenance_lines(provenance))
    metadata: dict[str, dict[str, Any]] = {
        ".pdf": {"Title": title, "Subject": text, "CreationDate": None},
        ".png": {"Title": title, "Description": text},
    }
    for suffix, entries in metadata.items():
        with atomic_path(path.with_name(path.name + suffix)) as temporary:
            figure.savefig(temporary, metadata=entries)
