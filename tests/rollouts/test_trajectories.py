"""Ways through a maze from above."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from fmq.base.errors import UserError
from fmq.config.reading import load_study
from fmq.config.study import Study
from fmq.envs.environment import FloorPlan
from fmq.pipeline.paths import manifest_file
from fmq.pipeline.rollouts import film_folder, rollout_file
from fmq.pipeline.runs import make_run
from fmq.pipeline.studies import study_folder
from fmq.rollouts.files import Recorded, Rollouts, write_rollouts
from fmq.rollouts.trajectories import draw, write_trajectories

DATASET = "pointmaze-medium-navigate-v0"
TASK = "pointmaze-medium-navigate-singletask-task4-v0"
WALLS = np.array([[1, 1, 1, 1], [1, 0, 0, 1], [1, 1, 1, 1]], bool)
PLAN = FloorPlan(WALLS, 4.0, np.array([-4.0, -4.0]), np.array([4.5, 0.0]), 1.0)


@pytest.fixture(scope="module")
def study() -> Study:
    return load_study(Path(__file__).parents[2] / "config.yaml")


def rollouts(different: int = 0) -> Rollouts:
    """One way to the goal and one that stops short, in a maze of two cells."""
    ways = [np.linspace((0, 0), end, 9, dtype=np.float32) for end in ((4.4, 0.1), (2.0, 0.5))]
    shown = [Recorded(n, 70 + n, n == 0, way, PLAN) for n, way in enumerate(ways)]
    return Rollouts(shown, 3, 2, different)


def drawn(figure: Figure, panel: int = 0) -> list[tuple[list[float], str, str]]:
    """Ends of every line, its marker and its colour."""
    return [
        (
            [float(line.get_xdata()[-1]), float(line.get_ydata()[-1])],
            line.get_marker(),
            line.get_color(),
        )
        for line in figure.axes[panel].lines
    ]


def test_ways_end_as_they_came_out(study: Study) -> None:
    lines = drawn(draw(study, {"fmq": rollouts()}, "a maze"))
    solved, failed = (next(line for line in lines if line[1] == sign) for sign in ("o", "X"))
    assert solved[0] == pytest.approx([4.4, 0.1])
    assert failed[0] == pytest.approx([2.0, 0.5])
    assert solved[2] != failed[2]
    styles = {line.get_linestyle() for line in draw(study, {"fmq": rollouts()}, "").axes[0].lines}
    assert {"-", "--"} <= styles  # told apart without colours


def test_walls_and_goal_lie_where_the_simulator_has_them(study: Study) -> None:
    axis = draw(study, {"fmq": rollouts()}, "a maze").axes[0]
    (mesh,) = axis.collections
    corners = mesh.get_coordinates()
    assert (corners[0, 0].tolist(), corners[-1, -1].tolist()) == ([-6, -6], [10, 6])
    free = np.argwhere(np.ma.getmaskarray(mesh.get_array().reshape(WALLS.shape)))
    assert free.tolist() == [[1, 1], [1, 2]]
    assert {(circle.center, circle.radius) for circle in axis.patches} == {((4.5, 0.0), 1.0)}
    assert axis.get_xlabel() == "x (m)"
    assert axis.get_aspect() == 1


def test_a_panel_per_method_with_a_star_on_what_was_not_counted(study: Study) -> None:
    figure = draw(study, {"fmq": rollouts(), "mvp": rollouts(different=1)}, "a maze")
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["FMQ", "MVP *"]
    (legend,) = figure.legends
    assert legend.get_title().get_text() == "a maze"
    words = [text.get_text() for text in legend.get_texts()]
    assert words == ["solved", "not solved", "start", "goal, and how near counts", "wall"]


@pytest.fixture
def results(study: Study, tmp_path: Path) -> Path:
    copy = manifest_file(study, DATASET, tmp_path)
    copy.parent.mkdir(parents=True)
    file = {f"{DATASET}.npz": {"sha256": "0" * 64, "bytes": 1}}
    manifest = {"name": DATASET, "source": "made up, not the official data set", "files": file}
    copy.write_text(json.dumps(manifest))
    for method in ("fmq", "qc"):
        run = make_run(study, TASK, 0, f"finetune-{method}")
        write_rollouts(rollout_file(run, tmp_path), run, rollouts())
    return tmp_path


def test_of_an_unfinished_study_what_is_there(study: Study, results: Path) -> None:
    with pytest.raises(
        UserError, match=r"finetune-mvp-\w+/rollouts-\w+\.npz: no such file; `fmq rollouts "
    ):
        write_trajectories(study, TASK, 0, results)
    unfinished = study.model_copy(update={"allow_missing": True})
    write_trajectories(unfinished, TASK, 0, results)
    folder = film_folder(study_folder(unfinished, results), TASK)
    assert (folder / "trajectories.pdf").read_bytes().startswith(b"%PDF")
    assert b"not the official data set" in (folder / "trajectories.png").read_bytes()
    with pytest.raises(UserError, match=r"no episodes of .*; `snakemake rollouts`"):
        write_trajectories(unfinished, TASK, 0, results / "nowhere")


def test_what_is_no_maze_is_refused(study: Study, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'lift-mh-low_dim': not a maze"):
        write_trajectories(study, "lift-mh-low_dim", 0, tmp_path)


def test_no_torch_and_no_simulator_is_imported() -> None:
    code = (
        "import sys, fmq.rollouts.trajectories, fmq.rollouts.contact_sheet, fmq.rollouts.film\n"
        "sys.exit(str({'torch', 'mujoco', 'gymnasium'} & set(sys.modules) or 0))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stderr.strip() in ("", "0"), ended.stderr
