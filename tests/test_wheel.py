"""A wheel holds the workflow, and makes the same as a checkout; nothing is installed here."""

import shlex
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from helpers.workflows import ROOT, Project, outputs

BUILD = "from setuptools import build_meta; build_meta.build_{kind}({folder!r})"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project, as building leaves files beside the sources."""
    project = Project(tmp_path_factory.mktemp("project") / "copy")
    shutil.copytree(ROOT / "slurm", project.folder / "slurm")
    for name in ("pyproject.toml", "setup.py", "constraints.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, project.folder)
    return project


def built(kind: str, source: Path, target: Path) -> Path:
    """The distribution that pip would build from a folder."""
    command = [sys.executable, "-c", BUILD.format(kind=kind, folder=str(target))]
    subprocess.run(command, cwd=source, check=True, stdout=subprocess.DEVNULL)
    (made,) = target.glob("*.tar.gz" if kind == "sdist" else "*.whl")
    return made


@pytest.fixture(scope="module")
def wheel(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked wheel of the source distribution, where pip would put it."""
    top = tmp_path_factory.mktemp("wheel")
    with tarfile.open(built("sdist", project.folder, top)) as archive:
        archive.extractall(top, filter="data")
    (source,) = top.glob("fmq-*/")
    with zipfile.ZipFile(built("wheel", source, top)) as archive:
        archive.extractall(top / "installed")
    return top / "installed"


def files(folder: Path) -> dict[str, bytes]:
    """Every file in a folder but compiled modules."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_it_holds_the_packages_and_the_workflow_of_the_checkout(wheel: Path) -> None:
    expected = {f"src/{name}": text for name, text in files(ROOT / "src").items()}
    for folder in ("workflow", "config", "profiles", "slurm"):
        expected |= {f"{folder}/{name}": text for name, text in files(ROOT / folder).items()}
    for name in ("Snakefile", "config.yaml", "constraints.txt"):
        expected[name] = (ROOT / name).read_bytes()
    held = {
        name.removeprefix("fmq/study/") if name.startswith("fmq/study/") else f"src/{name}": text
        for name, text in files(wheel).items()
        if ".dist-info/" not in name
    }
    assert held == {name: text for name, text in expected.items() if ".egg-info/" not in name}


def test_in_an_empty_folder_it_plans_the_jobs_of_the_checkout(
    wheel: Path, project: Project, tmp_path: Path
) -> None:
    done = subprocess.run(
        ["fmq", "run", "smoke", "fmq.eta=0.5", "--cores", "2", "-n"],
        cwd=tmp_path,
        env=project.environment() | {"PYTHONPATH": str(wheel)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert outputs(done.stdout) == project.planned("fmq: {eta: 0.5}") != set()
    command = shlex.split(done.stderr.splitlines()[0])
    study = wheel / "fmq" / "study"
    assert command[:3] == ["snakemake", "--snakefile", str(study / "Snakefile")]
    assert str(study / "profiles" / "default") in done.stderr
