"""The whole examination, on this machine."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from fmq.cli import app
from fmq.config import sources as table
from fmq.config.reading import load_study
from fmq.envs import graphics
from fmq.pipeline.paths import dataset_folder
from fmq.tools.doctor import data_files
from fmq.tools.doctor.data_files import source_findings
from fmq.tools.doctor.machine import bytes_to_come, compiler_findings, disk_findings
from fmq.tools.doctor.report import examine
from fmq.tools.doctor.simulators import rendering_findings

DATASET = "cube-double-play-v0"
PATHS = (f"{DATASET}.npz", f"{DATASET}-val.npz")


def marks(findings):
    return {finding.subject: finding.mark for finding in findings}


class Files(BaseHTTPRequestHandler):
    """Has the files under /ogbench/, and nothing else."""

    def do_HEAD(self):
        self.send_response(200 if self.path.startswith("/ogbench/") else 404)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    """Address of a server on this machine, asked without any proxy."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def addresses(tmp_path, monkeypatch):
    """Puts other addresses, and an empty folder of copies, into the table of sources."""

    def replace(*ogbench):
        values = yaml.safe_load(table.TABLE.read_text())
        for host in values["hosts"].values():
            host |= {"addresses": list(ogbench), "copies": [str(tmp_path / "copies")]}
        path = tmp_path / "sources.yaml"
        path.write_text(yaml.safe_dump(values))
        monkeypatch.setattr(table, "TABLE", path)
        table._table.cache_clear()

    monkeypatch.setattr(data_files, "_SECONDS", 2.0)
    yield replace
    monkeypatch.undo()
    table._table.cache_clear()


@pytest.fixture
def nowhere(addresses):
    """No address answers: nothing listens on this port."""
    addresses("http://127.0.0.1:9/")


@pytest.fixture
def study(root, tmp_path):
    """One official data set."""
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(
        "tasks: [cube-double-play-singletask-task3-v0]\n"
        f"data_dir: {tmp_path / 'given'}\n"
        f"datasets: {{{DATASET}: {{source: official}}}}\n"
    )
    return load_study(root / "config.yaml", overlay)


def doctor(*arguments):
    return CliRunner().invoke(app, ["doctor", *map(str, arguments)])


@pytest.mark.parametrize(("wanted", "mark"), [("auto", "note"), ("always", "FAIL")])
def test_without_a_compiler(root, monkeypatch, wanted, mark):
    study = load_study(root / "config.yaml")
    training = study.training.model_copy(update={"compile": wanted})
    study = study.model_copy(update={"training": training})
    monkeypatch.setenv("CXX", "no-such-compiler")
    (finding,) = compiler_findings(study)
    assert finding.mark == mark
    monkeypatch.setenv("CXX", "true")
    (finding,) = compiler_findings(study)
    assert finding.mark == "ok"


def test_the_default_study_runs_here(root, tmp_path):
    result = doctor(root / "config.yaml", "--results", tmp_path)
    assert result.exit_code == 0, result.output
    for subject in ("Python", "package torch", "optional package robosuite", "processor", "Slurm",
                    "MuJoCo GL", "settings", "GPU", "results folder", "disk",
                    "simulator pointmaze-medium-singletask-task2-v0",
                    "data set pointmaze-medium-navigate-v0"):  # fmt: skip
        assert f"  {subject}: " in result.output


@pytest.mark.usefixtures("robosuite")
@pytest.mark.slow
def test_the_paper_study_lacks_its_data_here(root, tmp_path, nowhere):
    result = doctor(root / "config.yaml", root / "config" / "paper.yaml", "--results", tmp_path)
    assert result.exit_code == 1
    lines = result.output.splitlines()
    failed = [number for number, line in enumerate(lines) if line.startswith("FAIL")]
    assert len(failed) == 2 + 5 * 2, result.output
    for number in failed:
        assert "http://127.0.0.1:9/ no connection" in lines[number]
        assert lines[number + 1].startswith("      -> put ")
    assert "ok    simulator cube-double-singletask-task3-v0: takes a step" in lines
    assert "ok    simulator PickPlaceCan: takes a step" in lines


def test_files_that_a_server_has(study, tmp_path, addresses, server):
    addresses(f"{server}/ogbench/")
    assert set(marks(source_findings(study, tmp_path)).values()) == {"ok"}
    addresses(f"{server}/elsewhere/", f"{server}/ogbench/")
    assert set(marks(source_findings(study, tmp_path)).values()) == {"note"}
    addresses(f"{server}/elsewhere/")
    findings = list(source_findings(study, tmp_path))
    assert {finding.mark for finding in findings} == {"FAIL"}
    assert all("404" in finding.found for finding in findings)


@pytest.mark.parametrize("place", ["given", "copies", "results"])
def test_a_copy_that_is_here_needs_no_server(place, study, tmp_path, nowhere):
    results = tmp_path / "results"
    folder = dataset_folder(study, DATASET, results) if place == "results" else tmp_path / place
    folder.mkdir(parents=True)
    (folder / PATHS[1]).touch()
    # The results folder's own file counts only if it was accepted before.
    (folder / f"{PATHS[1]}.sha256").touch()
    found = marks(source_findings(study, results))
    assert found == {f"data file {PATHS[0]}": "FAIL", f"data file {PATHS[1]}": "ok"}


def test_wrong_settings_are_a_finding(tmp_path, monkeypatch):
    monkeypatch.setattr(graphics, "_DRAW", "")
    for path in (tmp_path / "missing.yaml", Path(__file__)):
        last = list(examine([str(path)], tmp_path))[-1]
        assert (last.mark, last.subject) == ("FAIL", "settings")
        assert str(path) in last.found


def test_without_a_package_the_report_goes_on(root, tmp_path):
    code = (
        "import sys; sys.modules['yaml'] = None\n"
        "from fmq.envs import graphics; graphics._DRAW = ''\n"
        "from fmq.cli import app; app()"
    )
    command = [sys.executable, "-c", code, "doctor", root / "config.yaml", "--results", tmp_path]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr == ""
    assert "FAIL  settings: cannot be checked: ModuleNotFoundError" in result.stdout


def test_without_torch_the_report_goes_on(root, tmp_path, monkeypatch):
    monkeypatch.setattr(graphics, "_DRAW", "")
    monkeypatch.setitem(sys.modules, "torch", None)
    found = marks(examine([str(root / "config.yaml")], tmp_path))
    assert [subject for subject, mark in found.items() if mark == "FAIL"] == ["GPU"]
    assert found["data set pointmaze-medium-navigate-v0"] == "ok"


def test_a_study_on_a_gpu_that_is_not_here_fails(root, tmp_path):
    overlay = tmp_path / "gpu.yaml"
    overlay.write_text("device: cuda:99\n")
    result = doctor(root / "config.yaml", overlay, "--results", tmp_path)
    assert result.exit_code == 1
    assert result.output.count("FAIL") == 1
    assert "FAIL  GPU: " in result.output


def test_a_results_folder_that_cannot_be_made(study, tmp_path):
    (tmp_path / "file").touch()
    (finding,) = disk_findings(study, tmp_path / "file" / "results")
    assert (finding.mark, finding.subject) == ("FAIL", "results folder")


def test_only_data_sets_to_come_take_room(study, root, tmp_path):
    gigabyte = 2**30
    assert 0.5 * gigabyte < bytes_to_come(study, tmp_path) < gigabyte
    paper = load_study(root / "config.yaml", root / "config" / "paper.yaml")
    assert 3 * gigabyte < bytes_to_come(paper, tmp_path) < 8 * gigabyte
    folder = dataset_folder(study, DATASET, tmp_path)
    folder.mkdir(parents=True)
    (folder / "manifest.json").touch()
    assert bytes_to_come(study, tmp_path) == 0


def test_graphics_that_do_not_work_are_a_note(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "nonsense")
    (finding,) = rendering_findings()
    assert finding.mark == "note"
    assert "invalid value for environment variable MUJOCO_GL" in finding.found
    assert os.environ["MUJOCO_GL"] == "nonsense"
