"""Where the extra `robomimic` is not installed: what says so, and what runs all the same."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from fmq.base.errors import UserError
from fmq.base.files import write_json
from fmq.config.reading import load_study
from fmq.config.study import Study
from fmq.envs.making import make_environment
from fmq.pipeline.paths import settings_file
from fmq.tools.doctor import packages
from fmq.tools.doctor.packages import robomimic_findings
from fmq.tools.doctor.simulators import simulator_findings

REMEDY = "make install-robomimic"
IMPORT_ALL = """
import fmq, importlib, pkgutil
for module in pkgutil.walk_packages(fmq.__path__, "fmq."):
    importlib.import_module(module.name)
"""


@pytest.fixture
def absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No process finds the package, nor those that it starts."""
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['robosuite'] = None\n")
    before = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(tmp_path), before))))
    monkeypatch.setitem(sys.modules, "robosuite", None)


@pytest.fixture
def files(root: Path, tmp_path: Path) -> list[Path]:
    """The settings of a study of Lift and PickPlaceCan."""
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("tasks: [lift-mh-low_dim, can-mh-low_dim]\n")
    settings = ("config.yaml", "config/manipulation.yaml", "config/overnight.yaml")
    return [*(root / name for name in settings), overlay]


@pytest.fixture
def lift_and_can(files: list[Path]) -> Study:
    return load_study(*files)


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.usefixtures("absent")
def test_every_module_can_be_imported(tmp_path: Path) -> None:
    ended = python("-c", IMPORT_ALL, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.usefixtures("absent")
@pytest.mark.parametrize(
    "command", ["dataset lift-mh-low_dim", pytest.param("plan", marks=pytest.mark.slow)]
)
def test_commands_end_in_a_line_that_says_what_to_install(
    lift_and_can: Study, files: list[Path], tmp_path: Path, command: str
) -> None:
    write_json(settings_file(tmp_path / "results"), lift_and_can.model_dump())
    code = "from fmq.cli import main; main()"
    ended = python(
        "-c", code, *command.split(), *map(str, files if command == "plan" else []), cwd=tmp_path
    )
    assert ended.returncode == 2
    assert REMEDY in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
    assert not list(tmp_path.glob("results/datasets/*/*"))


@pytest.mark.usefixtures("absent")
def test_a_simulator_of_a_data_file_says_what_to_install(
    lift_and_can: Study, tmp_path: Path
) -> None:
    """Which is what training, evaluations, rollouts, imported runs and exported policies make."""
    with h5py.File(tmp_path / "lift-mh-low_dim.hdf5", "w") as file:
        file.create_group("data").attrs["env_args"] = (
            '{"env_name": "Lift", "env_version": "1.5.1", "type": 1, "env_kwargs": {}}'
        )
    with pytest.raises(UserError, match=REMEDY):
        make_environment(lift_and_can.task("lift-mh-low_dim"), tmp_path)


@pytest.mark.usefixtures("absent")
def test_the_doctor_asks_for_it_where_the_study_has_such_tasks(
    lift_and_can: Study, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "package_versions", lambda _: {"mujoco": "3.3.7"})
    found = {finding.subject: finding for finding in robomimic_findings(lift_and_can)}
    assert {name: finding.mark for name, finding in found.items()} == {
        "package robosuite": "FAIL",
        "package mujoco": "ok",
    }
    assert REMEDY in found["package robosuite"].remedy
    (simulator,) = simulator_findings(lift_and_can)
    assert simulator.mark == "FAIL"
    assert REMEDY in simulator.found
    assert [*robomimic_findings(load_study(root / "config.yaml"))] == []
