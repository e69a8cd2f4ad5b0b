"""The sweep of the README, word for word, on the smoke study of one task."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
from helpers.documents import ROOT, blocks, introduced
from helpers.workflows import Project, unaddressed

SMALL = """
tasks: [pointmaze-medium-navigate-singletask-task4-v0]
methods: [fmq]
samplers: []
"""
FILES = {name: block for name, block in introduced(ROOT / "README.md").items() if "eta-" in name}
RUN, CLEAN = (
    next(block.text for block in blocks(ROOT / "README.md") if words in block.text)
    for words in ("--configfile eta-1.yaml", "fmq gc")
)
(READ,) = (block.text for block in blocks(ROOT / "README.md") if "eta-*" in block.text)


@pytest.mark.slow
def test_a_sweep_keeps_everything(tmp_path: Path) -> None:
    project = Project(tmp_path)
    (tmp_path / "small.yaml").write_text(SMALL)
    for block in FILES.values():
        block.write(tmp_path)
    small = RUN.replace("--configfile", "--configfile config/smoke.yaml small.yaml")
    studies = small.splitlines()
    assert len(studies) == len(FILES) == 3
    done = project.shell(small)
    assert done.returncode == 0, done.stdout + done.stderr
    assert trained(tmp_path) == {"pretrain-warmup": 1, "distill-esd": 1, "finetune-fmq": 3}
    folders = sorted((tmp_path / "results" / "studies").iterdir())
    assert [unaddressed(folder.name) for folder in folders] == ["eta-1", "eta-2", "eta-4"]

    before = dates(tmp_path)
    for command, folder in zip(studies, folders, strict=True):
        done = project.shell(command)
        assert done.returncode == 0, done.stderr
        tables = [place / "tables" / "main.md" for place in (tmp_path / "results", folder)]
        assert tables[0].read_text() == tables[1].read_text()
    assert dates(tmp_path) == before
    read = project.run(["python", "-c", READ])
    assert all(f" {folder.name} " in read.stdout for folder in folders), read.stdout + read.stderr

    assert project.shell(CLEAN).stdout == "nothing to delete\n" * 2
    shutil.rmtree(folders[2])
    project.shell(CLEAN)
    assert trained(tmp_path) == {"pretrain-warmup": 1, "distill-esd": 1, "finetune-fmq": 2}


def trained(folder: Path) -> Counter[str]:
    """How many runs there are of each name."""
    checkpoints = folder.glob("results/runs/*/seed0/*/checkpoint.pt")
    return Counter(unaddressed(path.parent.name) for path in checkpoints)


def dates(folder: Path) -> dict[Path, int]:
    """When data, runs and what was made of them were written."""
    files = (folder / "results").glob("*/**/*-????????/**/*")
    made = (".npz", ".pt", ".csv", ".md", ".png")
    return {path: path.stat().st_mtime_ns for path in files if path.suffix in made}
