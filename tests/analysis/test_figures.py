"""Figures: all there, the same twice, one look per method, with their provenance."""

import shutil
from pathlib import Path

import pytest
from helpers.analysing import analyse, make_study, write_runs
from PIL import Image

from fmq.analysis.figures.comparison import FIGURES, write_figures
from fmq.analysis.figures.curves import learning_curves
from fmq.analysis.figures.style import look, short_task_names
from fmq.analysis.inputs.scores import load_scores
from fmq.config.methods import METHODS
from fmq.config.study import Study

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
