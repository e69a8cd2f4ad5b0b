"""Films and contact sheets, in processes of their own: a graphics library is chosen once."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
from PIL import Image

from fmq.base.files import write_json
from fmq.config.study import Study
from fmq.data.demonstrations import make_env_args
from fmq.pipeline.paths import settings_file
from fmq.pipeline.rollouts import film_folder
from fmq.pipeline.runs import Run
from fmq.pipeline.studies import study_folder


def film(study: Study, run: Run, results: Path, **variables: str) -> tuple[Path, str]:
    """Files of `fmq film` without their suffix, and what it said."""
    write_json(settings_file(results), study.model_dump())
    fmq = [Path(sys.executable).with_name("fmq"), "film", run.task.name]
    command = [*fmq, *("--seed", "0", "--method", "fmq", "--results", results)]
    ended = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return film_folder(study_folder(study, results), run.task.name) / "fmq", ended.stderr


@pytest.mark.slow
def test_a_film_a_page_and_a_contact_sheet(
    study: Study, run: Run, results: Path, graphics: str
) -> None:
    target, _ = film(study, run, results, MUJOCO_GL=graphics)
    with Image.open(target.with_suffix(".gif")) as gif:
        assert gif.n_frames == 24  # before and after 23 steps
        assert gif.size == (2 * 240 + 4, 240 + 36)
        first = gif.convert("RGB")
        gif.seek(23)
        assert gif.convert("RGB").tobytes() != first.tobytes()
    assert target.with_suffix(".gif").stat().st_size < 2e6
    page = target.with_suffix(".html").read_text()
    assert re.search(r'<img src="data:image/gif;base64,[A-Za-z0-9+/=]{1000,}"', page)
    assert "all 5 match the counted ones" in page
    assert target.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert target.with_suffix(".pdf").read_bytes().startswith(b"%PDF")


def test_without_graphics_the_reason_stands_in_their_place(
    study: Study, run: Run, results: Path
) -> None:
    stale = film_folder(study_folder(study, results), run.task.name) / "fmq.gif"
    stale.parent.mkdir(parents=True)
    stale.touch()
    target, told = film(study, run, results, MUJOCO_GL="disabled")
    line = next(line for line in told.splitlines() if "No pictures" in line)
    for words in ("MUJOCO_GL=disabled: ", "apt-get install libosmesa6", "--forcerun film_rollouts"):
        assert words in line
    page = target.with_suffix(".html").read_text()
    assert "No pictures: MuJoCo cannot draw on this machine" in page
    assert "<img" not in page
    with Image.open(target.with_suffix(".png")) as sheet:
        assert "not the official data set" in sheet.info["Description"]
    assert not stale.exists()


MAKE = """
import sys
from pathlib import Path
import numpy as np
from fmq.envs.making import make_environment
from fmq.config.tasks import TaskSettings, parse_task

simulator = make_environment(parse_task(sys.argv[1], TaskSettings()), Path(sys.argv[2]), 96)
simulator.reset(5)

def differ(first, second):
    return (first != second).any(axis=-1)
"""
SCENE = """
first = simulator.state()
for _ in range(9):
    simulator.step(np.ones(simulator.action_size))
moved = simulator.state()
lit = moved.copy()
lit[-1] = 1 - lit[-1]
assert simulator.floor_plan() is None
pictures = [simulator.picture(state) for state in (first, moved, lit, first)]
assert pictures[0].shape == (96, 96, 3) and pictures[0].dtype == np.uint8
assert (pictures[0] == pictures[3]).all(), "a state has one picture"
assert differ(pictures[0], pictures[1]).sum() > 50, "the arm has moved"
assert 0 < differ(pictures[1], pictures[2]).sum() < 500, "a button has another colour"
"""
LIFT = """
states = [simulator.state() for _ in range(3)]
for height, state in enumerate(states):
    state[11] += 0.1 * height  # of the cube
table, low, high = map(simulator.picture, states)
assert table.shape == (96, 96, 3) and table.dtype == np.uint8
rows = [np.nonzero(differ(table, picture))[0].mean() for picture in (low, high)]
assert rows[1] < rows[0] - 3, f"what rises goes up in the picture: {rows}"
"""


@pytest.mark.parametrize(
    ("task", "code"), [("scene-play-singletask-task4-v0", SCENE), ("lift-mh-low_dim", LIFT)]
)
@pytest.mark.slow
def test_simulators_draw_the_states_that_they_had(
    graphics: str, tmp_path: Path, request: pytest.FixtureRequest, task: str, code: str
) -> None:
    if task == "lift-mh-low_dim":
        request.getfixturevalue("robosuite")
        with h5py.File(tmp_path / f"{task}.hdf5", "w") as file:
            file.create_group("data").attrs["env_args"] = json.dumps(make_env_args("Lift"))
    command = [sys.executable, "-c", MAKE + code, task, str(tmp_path)]
    environment = os.environ | {"MUJOCO_GL": graphics}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
