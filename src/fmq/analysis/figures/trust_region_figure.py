"""Draw the drift during fine-tuning with the squared radius of FMQ's trust region, per task."""

import math
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fmq.analysis.figures.curves import COLUMNS, short_steps
from fmq.analysis.figures.style import look, short_task_names
from fmq.base.seeding import derive_seed
from fmq.config.study import Study
from fmq.pipeline.variants import flow_map_methods

_RADIUS: dict[str, Any] = {"color": "#000000", "linestyle": (0, (2, 1.5)), "linewidth": 1.2}


def draw_trust_region(study: Study, metrics: pd.DataFrame) -> Figure:
    """Draw each method's drift, mean and bootstrap interval over seeds; dashes: FMQ's eta_eff^2.

    Args:
        metrics: what `fmq.analysis.inputs.training_metrics.read_metrics` returns.
    """
    columns = min(COLUMNS, len(study.tasks))
    rows = math.ceil(len(study.tasks) / columns)
    width = max(4.4, 0.9 + (2.6 if columns < COLUMNS else 2.2) * columns)
    figure = Figure(figsize=(width, 1.1 + 2.0 * rows))
    axes = list(figure.subplots(rows, columns, squeeze=False, sharey=True).flat)
    names = short_task_names(study.tasks)
    for place, axis in enumerate(axes):
        axis.set_visible(place < len(study.tasks))
        if place < len(study.tasks):
            task = study.tasks[place]
            _draw_task(axis, study, metrics[metrics["task"] == task])
            axis.set_title(names[task], loc="left")
            if place + columns >= len(study.tasks):
                axis.set_xlabel("environment steps")
            if place % columns == 0:
                axis.set_ylabel(r"mean $\|u_\mathrm{on} - u_\mathrm{off}\|^2$")
    if (metrics["drift"] > 0).any():
        axes[0].set_yscale("log")
    figure.legend(handles=_handles(study), loc="outside upper center", ncols=4)
    return figure


def _draw_task(axis: Axes, study: Study, metrics: pd.DataFrame) -> None:
    """Draw one line per method, the first on top, and the squared radius."""
    for method in reversed(flow_map_methods(study)):
        own = metrics[metrics["method"] == method]
        if len(own):
            style = look(method, study.added_methods)
            sns.lineplot(
                x=own["step"].to_numpy(),
                y=own["drift"].to_numpy(),
                ax=axis,
                color=style.color,
                linestyle=style.line,
                errorbar=_interval(study),
                n_boot=study.statistics.resamples,
                seed=derive_seed(study.seed, "drift curves") % 2**32,
                err_kws={"alpha": 0.16, "linewidth": 0},
            )
    squared = metrics.assign(radius_squared=metrics["eta_effective"] ** 2)
    radius = squared.groupby("step")["radius_squared"].mean().dropna()
    axis.plot(radius.index, radius, **_RADIUS)
    axis.set_xlim(0, study.online.steps)
    axis.xaxis.set_major_locator(MaxNLocator(4))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda steps, _: short_steps(steps)))


def _interval(study: Study) -> tuple[str, float] | None:
    return ("ci", 100 * study.statistics.confidence) if len(study.seeds) > 1 else None


def _handles(study: Study) -> list[Line2D]:
    handles = []
    for method in flow_map_methods(study):
        style, label = look(method, study.added_methods), study.method(method).label
        handles.append(Line2D([], [], color=style.color, linestyle=style.line, label=label))
    return [*handles, Line2D([], [], label=r"FMQ's $\eta_\mathrm{eff}^2$", **_RADIUS)]
