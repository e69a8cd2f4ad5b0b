"""Add footnotes with the origin of the data to figures, and save figures without a date."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from fmq.analysis.inputs.provenance import provenance_lines
from fmq.base.files import atomic_path


def footnote(figure: Figure, text: str) -> None:
    """Write below the figure where its data come from, because figures are often copied alone."""
    width = int(figure.get_figwidth() * 24)
    lines = textwrap.fill(text, width, break_on_hyphens=False)
    # The name of a source may contain a dollar sign, which must not start math.
    figure.supxlabel(lines, x=0.01, ha="left", fontsize=5.5, color="#555555", parse_math=False)


def save_figure(figure: Figure, path: Path, title: str, provenance: Mapping[str, Any]) -> None:
    """Write `path`.pdf and `path`.png, without a date, with the provenance in their metadata."""
    text = "\n".join(provenance_lines(provenance))
    metadata: dict[str, dict[str, Any]] = {
        ".pdf": {"Title": title, "Subject": text, "CreationDate": None},
        ".png": {"Title": title, "Description": text},
    }
    for suffix, entries in metadata.items():
        with atomic_path(path.with_name(path.name + suffix)) as temporary:
            figure.savefig(temporary, metadata=entries)
