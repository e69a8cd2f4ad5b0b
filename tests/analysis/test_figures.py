"""Figures: all there, the same twice, one look per method, with their provenance."""

import shutil
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from helpers.analysing import TASK2, analyse, make_study, write_runs
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from fmq.analysis.figures.comparison import FIGURES, write_figures
from fmq.analysis.figures.curves import learning_curves
from fmq.analysis.figures.drawing import draw_legend, plain_ticks
from fmq.analysis.figures.interval_figures import draw_aggregates, draw_profiles
from fmq.analysis.figures.style import STYLE, look, row_look
from fmq.analysis.inputs.scores import STAGES, comparison_rows, load_scores
from fmq.analysis.statistics.estimates import read_estimates
from fmq.config.methods import METHODS
from fmq.config.study import Study
from fmq.config.task_names import short_task_names

pytestmark = pytest.mark.drawn


def test_figures_are_the_same_twice_and_say_where_they_are_from(
    study: Study, analysed: Path, manifest: Path, tmp_path: Path
) -> None:
    folders = [shutil.copytree(analysed, tmp_path / name) for name in ("first", "second")]
    for folder in folders:
        write_figures(study, folder, [manifest])
    first, second = (folder / "figures" for folder in folders)
    names = {f"{name}.{suffix}" for name in FIGURES for suffix in ("pdf", "png")}
    assert {path.name for path in first.iterdir()} == names
    for name in names:
        content = (first / name).read_bytes()
        assert content == (second / name).read_bytes()
        assert b"CreationDate" not in content
    for name, (title, _) in FIGURES.items():
        with Image.open(first / f"{name}.png") as image:
            assert image.info["Title"] == title
            assert "not the official data set" in image.info["Description"]
        assert b"/Subject" in (first / f"{name}.pdf").read_bytes()


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": [0], "tasks": ["pointmaze-medium-navigate-singletask-task2-v0"]},
        pytest.param({"seeds": [0, 1], "methods": ["qc"], "samplers": []}, marks=pytest.mark.slow),
    ],
)
def test_one_seed_task_or_method_is_drawn(
    manifest: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    study = make_study(**changes)
    write_runs(study, tmp_path / "results")
    write_figures(study, analyse(study, tmp_path / "results", tmp_path), [manifest])
    assert len(list((tmp_path / "figures").iterdir())) == 8


def test_curves_show_the_means(study: Study, analysed: Path) -> None:
    scores = load_scores(study, analysed / "scores.csv")
    axis = learning_curves(study, scores).axes[0]
    chosen = scores[(scores["task"] == study.tasks[0]) & (scores["sampler"] == "best_of_n")]
    means = chosen[chosen["method"] == "fmq"].groupby(["stage", "step"])["success"].mean()
    lines = {line.get_color(): line for line in axis.lines}
    drawn = lines[look("fmq").color].get_xydata()
    assert drawn[:, 0] == pytest.approx([0.5, 1, 1.25, 1.5, 1.75, 2])
    assert drawn[:, 1] == pytest.approx(100 * means.to_numpy())
    # The control starts from the same offline run, which is drawn once.
    assert lines[look("mvp-no-new-data").color].get_xydata()[0, 0] == pytest.approx(1)


def test_an_offline_stage_of_one_evaluation_takes_no_half(study: Study, analysed: Path) -> None:
    scores = load_scores(study, analysed / "scores.csv")
    way = (scores["stage"] == "offline") & (scores["step"] < study.offline.steps)
    for part, left in ((scores, 0), (scores[~way], 0.7)):
        assert {axis.get_xlim()[0] for axis in learning_curves(study, part).axes} == {left}


def test_bars_are_the_intervals(study: Study, analysed: Path) -> None:
    aggregates = read_estimates(study, analysed / "statistics", "aggregates")
    for axis, stage in zip(draw_aggregates(study, aggregates).axes, STAGES, strict=True):
        iqm = aggregates[(aggregates["metric"] == "iqm") & (aggregates["stage"] == stage)]
        intervals = (100 * iqm[["low", "high"]]).to_numpy().tolist()
        bars = [patch.get_bbox() for patch in axis.patches]
        ends = sorted([bar.x0, bar.x1] for bar in bars)
        assert np.array(ends) == pytest.approx(np.array(sorted(intervals)))
        # A bar is seen beside the mark at its value, which has no width.
        marks = {tuple(line.get_xdata()) for line in axis.lines}
        assert marks == {(100 * value, 100 * value) for value in iqm["value"]}


def test_profiles_have_a_line_per_policy_and_no_markers(study: Study, analysed: Path) -> None:
    profiles = read_estimates(study, analysed / "statistics", "profiles")
    offline, online = draw_profiles(study, profiles).axes
    # FMQ, MVP and the control act offline with one policy; with QGBS, FMQ and MVP do.
    assert len(offline.lines) == 3
    assert len(online.lines) == len(comparison_rows(study))
    assert {line.get_marker() for line in (*offline.lines, *online.lines)} == {"None"}


def test_legends_fit_on_the_narrowest_figure(tmp_path: Path) -> None:
    study = make_study(seeds=[0], tasks=[TASK2])
    write_runs(study, tmp_path / "results")
    folder = analyse(study, tmp_path / "results", tmp_path)
    profiles = read_estimates(study, folder / "statistics", "profiles")
    scores = load_scores(study, folder / "scores.csv")
    with mpl.rc_context(STYLE):
        for figure in (learning_curves(study, scores), draw_profiles(study, profiles)):
            figure.draw_without_rendering()
            box, legend = figure.bbox, figure.legends[0].get_window_extent()
            assert box.x0 <= legend.x0 < legend.x1 <= box.x1


def test_long_labels_make_a_legend_of_fewer_columns() -> None:
    for letters, columns in (("i" * 4, 3), ("m" * 12, 2), ("n" * 32, 1)):
        figure = Figure(figsize=(5, 3))
        draw_legend(figure, [Line2D([], [], label=letters) for _ in range(3)], 3)
        figure.draw_without_rendering()
        (legend,) = figure.legends
        assert legend.get_window_extent().width <= figure.bbox.width
        starts = {round(text.get_window_extent().x0) for text in legend.get_texts()}
        assert len(starts) == columns


@pytest.mark.parametrize("ends", [(0.02, 0.9), (0.6, 0.7), (3.0, 4e4)])
def test_logarithmic_ticks_are_plain_numbers(ends: tuple[float, float]) -> None:
    axis = Figure().subplots()
    axis.plot([0, 1], ends)
    axis.set_yscale("log")
    plain_ticks(axis.yaxis)
    axis.figure.draw_without_rendering()
    low, high = axis.get_ylim()
    ticks = [label.get_text() for label in axis.get_yticklabels() if label.get_text()]
    assert sum(low <= float(tick) <= high for tick in ticks) >= 2


def test_no_two_rows_look_alike(study: Study) -> None:
    """A method with a second sampler differs from it, and from all others, in color and line."""
    looks = [row_look(study, *row) for row in comparison_rows(study)]
    assert len({style.color for style in looks}) == len(looks) == 6
    assert len({str(style.line) for style in looks}) == len(looks)


def test_no_two_methods_look_alike() -> None:
    looks = [look(method) for method in METHODS]
    for attribute in zip(*looks, strict=True):
        assert len(set(map(str, attribute))) == len(METHODS)


def test_short_names_stay_distinct() -> None:
    tasks = [
        "pointmaze-medium-navigate-singletask-task2-v0",
        "pointmaze-medium-stitch-singletask-task2-v0",
        "cube-double-play-singletask-task3-v0",
        "scene-play-singletask-v0",
        "can-mh-low_dim",
        "my-stack",
    ]
    assert list(short_task_names(tasks).values()) == [
        "pointmaze-medium-navigate task2",
        "pointmaze-medium-stitch task2",
        "cube-double task3",
        "scene",
        "can",
        "my-stack",
    ]
    own = ["pen", "pen-v0", "mug", "mug-low_dim", "can", "can-mh-low_dim"]
    assert list(short_task_names(own).values()) == [*own[:4], "can", "can-mh"]
