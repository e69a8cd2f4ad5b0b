"""What all figures share: a footnote that says whose data they show, and files without a date."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from fmq.analysis.provenance import provenance_lines
from fmq.files import atomic_path


def footnote(figure: Figure, text: str) -> None:
    """Say under the figure whose data it shows, because figures travel without their text."""
    width = int(figure.get_figwidth() * 24)
    lines = textwrap.fill(text, width, break_on_hyphens=False)
    # A source may have any sign in its name; a dollar is one too.
    figure.supxlabel(lines, x=0.01, ha="left", fontsize=5.5, color="#555555", parse_math=False)


def save_figure(figure: Figure, path: Path, title: str, provenance: Mapping[str, Any]) -> None:
    """Write both formats, without a date, with the provenance in their metadata."""
    text = "\n".join(provenance_lines(provenance))
    metadata: dict[str, dict[str, Any]] = {
        ".pdf": {"Title": title, "Subject": text, "CreationDate": None},
        ".png": {"Title": title, "Description": text},
    }
    for suffix, entries in metadata.items():
        with atomic_path(path.with_name(path.name + suffix)) as temporary:
            figure.savefig(temporary, metadata=entries)
