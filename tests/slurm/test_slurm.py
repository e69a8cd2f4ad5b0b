"""The smoke study on a real Slurm: jobs cancelled and requeued, and jobs that share a GPU."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from helpers.workflows import Project

ROOT = Path(__file__).parents[2]
TASK = "pointmaze-medium-navigate-singletask-task4-v0"
SMOKE = ["--configfile", "config/smoke.yaml"]
ONLINE = "online: {steps: 2000, start_training: 20, update_every: 2, evaluate_every: 2000}"
"""Some ten seconds, in which a job can be seen and requeued."""
PASSING = {"None", "Resources", "Priority", "BeginTime"}
"""Reasons to wait that end by themselves."""
QUICK = ["--seconds-between-status-checks", "2", "--slurm-init-seconds-before-status-checks", "2"]


def copy_project(folder: Path) -> Project:
    """What a clone of the project holds for a study; the smoke study of one task and QC.

    Fine-tuning comes right after pre-training: Snakemake is slow to see that a job has ended.
    """
    project = Project(folder)
    shutil.copytree(ROOT / "slurm", folder / "slurm")
    smoke = folder / "config" / "smoke.yaml"
    text = re.sub(r"(?m)^online:.*$", ONLINE, smoke.read_text())
    smoke.write_text(f"{text}tasks: [{TASK}]\nmethods: [qc]\nsamplers: []\n")
    return project


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Snakemake in `folder`; its output goes to ``output.txt`` there."""
    environment = os.environ | {
        "PYTHONPATH": str(folder / "src"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    with (folder / "output.txt").open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", *arguments],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )


def list_jobs(state: str, field: str) -> dict[str, str]:
    """A field of every job in a state, by the job's number; as of `squeue --format`."""
    listing = subprocess.run(
        ["squeue", "--noheader", f"--states={state}", f"--format=%A|{field}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return dict(line.split("|", 1) for line in listing.splitlines())


def running_jobs() -> dict[str, str]:
    """Rule and wildcards, as Snakemake's comment tells them, of every running job by its number."""
    return list_jobs("R", "%k")


def reasons_to_wait() -> set[str]:
    """Why jobs are not started yet."""
    return set(list_jobs("PD", "%r").values())


def next_job(process: subprocess.Popen[str], wanted: Callable[[str], bool]) -> str:
    """Wait for a running job whose comment is `wanted`, and give it a second to be under way.

    There is no deadline: Snakemake looks at its jobs ever more seldom, and so may see only after
    minutes that the job before has ended. But jobs must not ask for what the cluster never gives.
    """
    while process.poll() is None:
        assert not (reasons := reasons_to_wait() - PASSING), reasons
        for number, comment in running_jobs().items():
            if wanted(comment):
                time.sleep(1)
                if number in running_jobs():
                    return number
        time.sleep(0.2)
    pytest.fail(f"no such job came up; snakemake ended with {process.poll()}")


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scores of the smoke study, made without a cluster."""
    project = copy_project(tmp_path_factory.mktemp("local"))
    file = project.study_folder() / "scores.csv"
    project.make("{}", "--", str(file))
    return project.folder / file


@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
def test_a_cancelled_and_a_requeued_job_leave_the_scores_of_a_local_run(
    scores: Path, tmp_path: Path
) -> None:
    project = copy_project(tmp_path / "cluster")
    folder, file = project.folder, project.study_folder() / "scores.csv"
    options = ["--profile", "slurm", "--printshellcmds", *QUICK, *SMOKE]
    process = start(folder, *options, "--", str(file))
    cancelled = next_job(process, lambda comment: "rule_pretrain" in comment)
    subprocess.run(["scancel", cancelled], check=True)
    requeued = next_job(process, lambda comment: "rule_finetune" in comment)
    subprocess.run(["scontrol", "requeue", requeued], check=True)
    assert process.wait() == 0, (folder / "output.txt").read_text()
    output = (folder / "output.txt").read_text()
    assert "Trying to restart job" in output
    for stage in ("dataset", "scores"):  # and others: tests/workflow/test_profiles.py
        assert f"\nlocalrule {stage}:" in output
    shown = subprocess.run(["scontrol", "show", "job", requeued], capture_output=True, text=True)
    assert "Restarts=1" in shown.stdout
    assert (folder / file).read_bytes() == scores.read_bytes()


def visible_devices(job: str) -> set[str]:
    """What the programs of a running job find in CUDA_VISIBLE_DEVICES."""
    listing = subprocess.run(["scontrol", "listpids", job], capture_output=True, text=True).stdout
    found = set()
    for line in listing.splitlines()[1:]:
        with suppress(OSError):  # it has ended
            environment = Path(f"/proc/{line.split()[0]}/environ").read_bytes().split(b"\0")
            programs = dict(one.decode().partition("=")[::2] for one in environment if one)
            found.add(programs.get("CUDA_VISIBLE_DEVICES", ""))
    return found - {""}


@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
def test_runs_share_a_gpu_by_one_setting_of_the_profile(tmp_path: Path) -> None:
    folder = copy_project(tmp_path / "cluster").folder
    profile = folder / "slurm" / "config.yaml"
    whole = profile.read_text()
    assert whole.count(" &share {},") == 1
    profile.write_text(whole.replace(" &share {},", ' &share {gpu: 0, gres: "shard:1"},'))
    (folder / "long.yaml").write_text(
        "seeds: [0, 1]\n"
        "training: {log_every: 100000}\n"
        "offline: {steps: 200000, warmup_steps: 100000, anneal_end: 150000}\n"
    )
    options = ["--profile", "slurm", "--until", "pretrain"]
    process = start(folder, *options, *QUICK, *SMOKE, "long.yaml")
    try:
        deadline = time.monotonic() + 240
        devices: dict[str, set[str]] = {}
        while len(devices) < 2:
            assert time.monotonic() < deadline, (folder / "output.txt").read_text()
            assert process.poll() is None, (folder / "output.txt").read_text()
            jobs = [job for job, comment in running_jobs().items() if "rule_pretrain" in comment]
            devices = {job: visible_devices(job) for job in jobs if visible_devices(job)}
            time.sleep(0.2)
        assert list(devices.values()) == [{"0"}, {"0"}]
    finally:
        process.kill()
        process.wait()
        subprocess.run(["scancel", "--me"], check=True)
