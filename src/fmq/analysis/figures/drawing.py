"""Lay out and save figures: a panel per task, the origin of the data below, and no date."""

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike

from fmq.analysis.figures.style import STYLE, look
from fmq.analysis.inputs.provenance import provenance_lines, source_sentences
from fmq.base.files import atomic_path
from fmq.base.seeding import derive_seed
from fmq.config.study import Study
from fmq.config.task_names import short_task_names

COLUMNS = 4


def draw_legend(figure: Figure, handles: Sequence[Any], most: int, **options: Any) -> None:
    """Draw a legend on top, in `most` columns or as many as the width of the figure holds.

    Args:
        handles: artists with labels.
        options: of `Figure.legend`.
    """
    for columns in range(max(1, min(most, len(handles))), 0, -1):
        legend = figure.legend(
            handles=handles, loc="outside upper center", ncols=columns, **options
        )
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            break
        legend.remove()


def task_panels(
    study: Study,
    tasks: Sequence[str],
    x: str,
    y: str,
    size: tuple[float, float] = (5.0, 1.1),
    height: float = 2.0,
    pad: float | None = None,
    **options: Any,
) -> tuple[Figure, dict[str, Axes]]:
    """Create a figure with a panel per task, and room for a legend on top.

    Args:
        x, y: labels of the outer axes.
        size: least width of the figure, and its height without the panels, in inches.
        height: of a panel, in inches.
        pad: room below the titles, in points.
        options: of `Figure.subplots`.
    """
    columns = min(COLUMNS, len(tasks))
    rows = math.ceil(len(tasks) / columns)
    width = max(size[0], 0.9 + (2.0 if columns < COLUMNS else 1.85) * columns)
    figure = Figure(figsize=(width, size[1] + height * rows))
    axes = list(figure.subplots(rows, columns, squeeze=False, **options).flat)
    for axis in axes[len(tasks) :]:
        axis.set_visible(False)
    names, letters = short_task_names(study.tasks), 8.5 if columns < COLUMNS else 7.5
    for place, (task, axis) in enumerate(zip(tasks, axes, strict=False)):
        axis.set_title(names[task], loc="left", pad=pad, fontsize=letters)
        if place + columns >= len(tasks):
            axis.set_xlabel(x)
        if place % columns == 0:
            axis.set_ylabel(y)
    return figure, dict(zip(tasks, axes, strict=False))


def draw_mean(
    axis: Axes, study: Study, method: str, x: ArrayLike, y: ArrayLike, salt: str, **options: Any
) -> None:
    """Draw a method's mean over seeds at each `x`, with a band over its bootstrap interval.

    Args:
        salt: what the random numbers of the bootstrap are for.
        options: of the line.
    """
    style = look(method, study.added_methods)
    sns.lineplot(
        x=x,
        y=y,
        ax=axis,
        color=style.color,
        linestyle=style.line,
        errorbar=("ci", 100 * study.statistics.confidence) if len(study.seeds) > 1 else None,
        n_boot=study.statistics.resamples,
        seed=derive_seed(study.seed, salt) % 2**32,
        err_kws={"alpha": 0.16, "linewidth": 0},
        **options,
    )


def offline_policy(study: Study, method: str, sampler: str) -> tuple[str | None, str]:
    """Return what rows share if one offline curve is theirs: offline run and sampler."""
    return study.offline_run(method), sampler


def draw_interval(
    axis: Axes, y: float, estimate: tuple[float, float, float], color: str, height: float = 0.6
) -> None:
    """Draw a pale bar over an interval, and a thin mark at the value, which hides no interval.

    Args:
        estimate: value, low and high; without an interval (NaN), only the mark is drawn.
        height: of both, in units of the axis.
    """
    value, low, high = estimate
    if not np.isnan([low, high]).any():
        axis.use_sticky_edges = False  # else the longest bar would end at the frame
        axis.barh(y, high - low, height, left=low, color=color, alpha=0.4, linewidth=0)
    ends = [y - height / 2, y + height / 2]
    axis.plot([value, value], ends, color=color, linewidth=1.8, solid_capstyle="butt")


def plain_ticks(axis: Axis) -> None:
    """Label a logarithmic axis, whose data are drawn, as people write numbers: 0.6 and 20.

    Axes that go below 0.001 or over 100,000 keep their powers of ten.
    """
    low, high = axis.get_view_interval()
    decades = np.log10(high / low)
    if low < 1e-3 or high > 1e5:
        return
    if decades < 0.7:
        axis.set_major_locator(MaxNLocator(4))
    else:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 3 else (1,)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def method_handle(study: Study, method: str, **options: Any) -> Line2D:
    """Return the legend entry of a method's line, with further `options` of the line."""
    style, label = look(method, study.added_methods), study.method(method).label
    return Line2D([], [], color=style.color, linestyle=style.line, label=label, **options)


def write_figure(
    path: Path,
    title: str,
    note: str,
    provenance: Mapping[str, Any],
    draw: Callable[..., Figure],
    *inputs: Any,
) -> None:
    """Write the figure that `draw` makes of `inputs` as `path`.pdf and `path`.png.

    Args:
        note: text of the footnote, to which the origin of the data is added.
    """
    with mpl.rc_context(STYLE):
        figure = draw(*inputs)
        footnote(figure, f"{note} {source_sentences(provenance)}")
        save_figure(figure, path, title, provenance)


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
