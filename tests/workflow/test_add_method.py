"""`docs/add_method.md`, word for word: the files it shows, and the commands that it gives."""

import json
from pathlib import Path

import pandas as pd
import pytest
from helpers.documents import ROOT, blocks
from helpers.workflows import Project, unaddressed

RUNS = "results/runs/pointmaze-medium-navigate-singletask-task4-v0/seed0"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project"))


@pytest.mark.slow
def test_the_page_step_by_step(project: Project) -> None:
    folder = project.folder
    loss, row, study, sampler, its_row, again, check, run_it = blocks(
        ROOT / "docs" / "add_method.md"
    )
    for block in (loss, row):
        block.write(folder)
    done = project.shell(study.text)
    assert done.returncode == 0, done.stdout + done.stderr
    _expect_a_column(folder)
    _expect_a_record(folder, loss.text)
    _expect_one_line(project, study.text)

    check.write(folder)
    done = project.shell(run_it.text)
    assert done.stdout == "flow matching\n", done.stderr

    for block in (sampler, its_row):
        block.write(folder)
    done = project.shell(f"{again.text.strip()} --dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    made = [line for line in (done.stdout + done.stderr).splitlines() if "output: " in line]
    outputs = {file.strip() for line in made for file in line.split("output: ")[1].split(",")}
    runs = {unaddressed(name).removeprefix(f"{RUNS}/") for name in outputs if RUNS in name}
    assert {name.rpartition(".")[0] for name in runs if "/evaluate-" in name} == {
        f"{run}/evaluate-awr" for run in ("pretrain-full", "finetune-qc")
    }
    trained = {name for name in runs if name.endswith("/checkpoint.pt")}
    assert trained == {"finetune-awr/checkpoint.pt"}


def _expect_a_column(folder: Path) -> None:
    main = pd.read_csv(folder / "results/tables/main.csv")
    assert set(zip(main["label"], main["method"], main["sampler"], strict=True)) == {
        ("QC", "qc", "best_of_n_euler"),
        ("AWR", "awr", "best_of_n_euler"),
    }
    own = main[main["method"] == "awr"]
    assert set(own["stage"]) == {"offline", "online"}
    assert own["value"].notna().all()
    assert "| task | QC | AWR |" in (folder / "results/tables/main.md").read_text()
    assert "mean_weight" in pd.read_csv(_run(folder, "finetune-awr") / "metrics.csv")


def _expect_a_record(folder: Path, text: str) -> None:
    run = _run(folder, "finetune-awr")
    assert (run / "method.py").read_text() == text
    assert json.loads((run / "provenance.json").read_text())["method"]["file"] == "awr.py"
    assert not (_run(folder, "finetune-qc") / "method.py").exists()


def _run(folder: Path, name: str) -> Path:
    (found,) = (folder / RUNS).glob(f"{name}-*")
    return found


def _expect_one_line(project: Project, text: str) -> None:
    """Of `fmq check` and of `snakemake`, about a file with a fault."""
    file = project.folder / "awr.py"
    whole = file.read_text()
    file.write_text(whole.replace("def actor_loss", "def loss_of_the_actor"))
    for command in text.strip().splitlines():
        done = project.shell(command)
        assert done.returncode != 0
        assert "own_methods.awr: awr.py defines no actor_loss" in done.stderr.splitlines()[-1]
    file.write_text(whole)
