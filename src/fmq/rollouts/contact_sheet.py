"""Contact sheets with some pictures of each recorded episode, or a notice if there are none."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from fmq.analysis.figures.drawing import footnote, save_figure
from fmq.analysis.figures.style import STYLE
from fmq.rollouts.files import Recorded
from fmq.rollouts.frames import Frame
from fmq.rollouts.words import outcome

COLUMNS = 6
_WIDTH = 7.6


def write_contact_sheet(
    target: Path,
    title: str,
    episodes: Sequence[Recorded],
    films: Sequence[Sequence[Frame]],
    words: str,
    provenance: Mapping[str, Any],
) -> None:
    """Write TARGET.png and .pdf with a row of evenly spaced pictures per episode."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH, 0.7 + 1.32 * len(episodes)))
        axes = figure.subplots(len(episodes), COLUMNS, squeeze=False)
        for row, episode, film in zip(axes, episodes, films, strict=True):
            row[0].set_ylabel(f"episode {episode.number}\n{outcome(episode)}", fontsize=6.5)
            chosen = np.linspace(0, len(film) - 1, COLUMNS).round().astype(int)
            for axis, frame in zip(row, (film[place] for place in chosen), strict=True):
                axis.imshow(frame.picture)
                axis.set_title(f"step {frame.step}", fontsize=6.5)
        for axis in axes.flat:
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        figure.suptitle(title, x=0.01, ha="left")
        footnote(figure, words)
        save_figure(figure, target, title, provenance)


def write_notice(
    target: Path, title: str, notice: str, words: str, provenance: Mapping[str, Any]
) -> None:
    """Write TARGET.png and .pdf with the reason why there are no pictures."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH, 2.0))
        figure.suptitle(title, x=0.01, ha="left")
        text = textwrap.fill(notice, 110)
        figure.text(0.01, 0.55, text, va="center", fontsize=8, parse_math=False)
        footnote(figure, words)
        save_figure(figure, target, title, provenance)
