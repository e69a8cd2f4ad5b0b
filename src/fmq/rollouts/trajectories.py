"""Paths through a maze from above: recorded episodes of every method side by side."""

from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Patch

from fmq.analysis.figures.drawing import footnote, save_figure
from fmq.analysis.figures.style import STYLE
from fmq.analysis.inputs.provenance import collect_provenance, source_sentences
from fmq.base.errors import UserError
from fmq.config.study import Study
from fmq.config.task_names import short_task_names
from fmq.config.tasks import is_maze
from fmq.envs.environment import FloorPlan
from fmq.pipeline.paths import manifest_file
from fmq.pipeline.rollouts import film_folder, rollout_file
from fmq.pipeline.runs import make_run
from fmq.pipeline.studies import study_folder
from fmq.rollouts.files import Recorded, Rollouts, read_rollouts
from fmq.rollouts.words import rollout_words

COLUMNS = 4
_WALL = "#C4C4C4"
_OUTCOMES: dict[bool, dict[str, Any]] = {
    True: {"color": "#004488", "linestyle": "-"},
    False: {"color": "#BB5566", "linestyle": (0, (3, 1.2))},
}
_ENDS: dict[bool, dict[str, Any]] = {
    True: {"marker": "o", "markersize": 4.0},
    False: {"marker": "X", "markersize": 5.0},
}
_START: dict[str, Any] = {"marker": "o", "markersize": 4.0, "markerfacecolor": "white"}
_GOAL: dict[str, Any] = {"marker": "*", "markersize": 8.0, "color": "#000000"}


def write_trajectories(study: Study, task: str, seed: int, results: Path) -> None:
    """Write trajectories.pdf and .png of a task.

    Raises:
        UserError: the task is not a maze, or its episodes are missing or made with other settings.
    """
    if not is_maze(task):
        raise UserError(f"task {task!r}: not a maze, so there are no trajectories to draw")
    runs = {method: make_run(study, task, seed, f"finetune-{method}") for method in study.methods}
    rollouts = {
        method: read_rollouts(results, run)
        for method, run in runs.items()
        if not study.allow_missing or rollout_file(run, results).exists()
    }
    if not rollouts:
        raise UserError(f"{results}: no episodes of {task}; `snakemake rollouts` records some")
    manifest = manifest_file(study, study.task(task).dataset, results)
    provenance = collect_provenance(study, [manifest])
    name = short_task_names(study.tasks)[task]
    labelled = {study.method(method).label: one for method, one in rollouts.items()}
    words = f"{rollout_words(labelled)} {source_sentences(provenance)}"
    with mpl.rc_context(STYLE):
        figure = draw(study, rollouts, f"{name}, seed {seed}")
        footnote(figure, words)
        target = film_folder(study_folder(study, results), task) / "trajectories"
        save_figure(figure, target, f"Ways through {name}", provenance)


def draw(study: Study, rollouts: Mapping[str, Rollouts], title: str) -> Figure:
    """Draw a panel per method, in the order of `rollouts`, and a legend with the title."""
    columns = min(COLUMNS, len(rollouts))
    rows = ceil(len(rollouts) / columns)
    figure = Figure(figsize=(max(3.6, 0.6 + 1.9 * columns), 1.3 + 2.2 * rows))
    axes = list(figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flat)
    for place, axis in enumerate(axes):
        axis.set_visible(place < len(rollouts))
    for place, (axis, method) in enumerate(zip(axes, rollouts, strict=False)):
        _draw_panel(axis, rollouts[method])
        star = " *" if rollouts[method].different else ""
        axis.set_title(study.method(method).label + star, loc="left")
        if place + columns >= len(rollouts):
            axis.set_xlabel("x (m)")
        if place % columns == 0:
            axis.set_ylabel("y (m)")
    handles = _handles()
    per_line = len(handles) if columns > 2 else 3
    figure.legend(handles=handles, loc="outside upper center", ncols=per_line, title=title)
    return figure


def _draw_panel(axis: Axes, rollouts: Rollouts) -> None:
    for episode in rollouts.shown:
        assert episode.plan is not None, "a maze has a plan"
        _draw_way(axis, episode, episode.plan)
    first = rollouts.shown[0].plan
    assert first is not None
    _draw_walls(axis, first)
    axis.set_aspect("equal")
    axis.grid(False)


def _draw_walls(axis: Axes, plan: FloorPlan) -> None:
    rows, columns = plan.walls.shape
    x, y = (
        corner + plan.cell * (np.arange(count + 1) - 0.5)
        for corner, count in zip(plan.corner, (columns, rows), strict=True)
    )
    walls = np.where(plan.walls, 1.0, np.nan)
    axis.pcolormesh(x, y, walls, cmap=ListedColormap([_WALL]), edgecolors="face", linewidth=0.2)
    # Show half a cell of the outer wall.
    axis.set(xlim=(x[:2].mean(), x[-2:].mean()), ylim=(y[:2].mean(), y[-2:].mean()))


def _draw_way(axis: Axes, episode: Recorded, plan: FloorPlan) -> None:
    x, y = episode.states[:, 0], episode.states[:, 1]
    look = _OUTCOMES[episode.success]
    axis.plot(x, y, linewidth=1.1, zorder=3, **look)
    axis.plot(x[-1:], y[-1:], color=look["color"], zorder=5, **_ENDS[episode.success])
    axis.plot(x[:1], y[:1], color="#000000", zorder=4, **_START)
    axis.add_patch(Circle(tuple(plan.goal), plan.reach, fill=False, linewidth=0.7, zorder=2))
    axis.plot(*plan.goal, linestyle="", zorder=4, **_GOAL)


def _handles() -> list[Line2D | Patch]:
    return [
        *(
            Line2D([], [], label="solved" if success else "not solved", **look, **_ENDS[success])
            for success, look in _OUTCOMES.items()
        ),
        Line2D([], [], linestyle="", color="#000000", label="start", **_START),
        Line2D([], [], linestyle="", label="goal, and how near counts", **_GOAL),
        Patch(color=_WALL, label="wall"),
    ]
