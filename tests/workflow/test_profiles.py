"""The Slurm profile and the paper study, as far as a dry run tells."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from helpers.forking import forked

from fmq.config.reading import load_study
from fmq.pipeline.paths import run_folder
from fmq.pipeline.resources import memory_mb, training_memory_mb
from fmq.pipeline.runs import make_run
from fmq.pipeline.studies import study_folder

ROOT = Path(__file__).parents[2]
CORES = {"pretrain": 2, "distill": 2, "finetune": 7, "evaluate": 1}
MINUTES = {"pretrain": 1440, "distill": 720, "finetune": 1440, "evaluate": 120}


def dry_run(*arguments: str) -> str:
    """What Snakemake would do from nothing, in a folder of its own choice."""
    result = subprocess.run(
        [sys.executable, "-m", "snakemake", "--dry-run", "--forceall", *arguments],
        cwd=ROOT,
        env=forked(ROOT / "src"),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def job_stats(output: str) -> dict[str, int]:
    table = output.partition("Job stats:")[2].partition("\n\n")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


@pytest.fixture(scope="module")
def cluster() -> str:
    return dry_run("--profile", "slurm", "--cores", "8")  # a dry run takes one core by default


def test_the_paper_study_has_every_job(cluster: str) -> None:
    """Per task, for all seeds: QC's pre-training, the shared warm-up, one distillation, three
    methods; FMQ, MVP and their offline policy are evaluated with QGBS besides."""
    tasks = 12
    expected = {
        **{"dataset": 7, "pretrain": 2 * tasks, "distill": tasks, "finetune": 3 * tasks},
        "evaluate": 3 * tasks,
        "page": 4,
        **dict.fromkeys(
            ("scores", "statistics", "tables", "figures", "summary_page", "settings_page"), 1
        ),
        **{"show": 1, "all": 1},
    }
    expected["total"] = sum(expected.values())
    assert job_stats(cluster) == expected


def test_jobs_on_the_cluster_ask_for_a_gpu_memory_and_time(cluster: str) -> None:
    study = load_study(ROOT / "config.yaml", ROOT / "config" / "paper.yaml")
    blocks = re.split(r"\n(?=\[)", cluster)
    asked = {rule: [b for b in blocks if f"\nrule {rule}:" in b] for rule in MINUTES}
    for rule, jobs in asked.items():
        assert jobs, rule
        for job in jobs:
            assert ("gpu=1" in job) is (rule != "evaluate")
            task = re.search(r"wildcards: task=([^,]+)", job)[1]
            memory = memory_mb if rule == "evaluate" else training_memory_mb
            assert f"mem_mb={memory(study, task)}," in job
            # The evaluations beside take a core, and so does the simulator of each seed.
            assert f"threads: {CORES[rule]}\n" in job or CORES[rule] == 1
            assert f"runtime={MINUTES[rule]}," in job


@pytest.mark.slow
def test_no_gpu_is_asked_for_on_the_cpu() -> None:
    output = dry_run("--cores", "8", "--config", "device=cpu")
    assert "rule pretrain:" in output
    assert "gpu=1" not in output


@pytest.mark.slow
def test_a_stack_is_one_job_for_all_seeds(tmp_path: Path) -> None:
    """Of the paper's study on a cluster: twelve tasks of five seeds."""
    overlay = tmp_path / "stacked.yaml"
    overlay.write_text("training: {stack_seeds: true}")
    study = load_study(ROOT / "config.yaml", ROOT / "config" / "paper.yaml", overlay)
    files = ("--configfile", "config/paper.yaml", str(overlay))
    output = dry_run("--profile", "slurm", "--printshellcmds", *files)
    found = job_stats(output)
    jobs = {"pretrain": 2 * 12, "distill": 12, "finetune": 3 * 12, "evaluate": 3 * 12}
    assert {rule: found[rule] for rule in jobs} == jobs
    seeds = " ".join(f"--seed {seed}" for seed in study.seeds)
    commands = re.findall(r"fmq (?:pretrain|distill|finetune|evaluate) .*", output)
    assert len(commands) == sum(jobs.values())
    assert all(f" {seeds} " in command for command in commands)
    task = study.tasks[0]
    folder = run_folder(make_run(study, task, 0, "finetune-fmq"), Path("results"))
    settings = study_folder(study, Path("results")) / "settings.json"
    options = f"--method fmq --settings {settings} 2> {folder}/log.txt"
    assert f"fmq finetune {task} {seeds} {options}" in commands
    blocks = re.split(r"\n(?=\[)", output)
    job = next(block for block in blocks if f"{seeds} --method fmq" in block and task in block)
    assert f"mem_mb={training_memory_mb(study, task)}," in job
    assert "gpu=1" in job
    assert job.count("checkpoint.pt") >= 2 * 5


def test_every_rule_that_the_profile_names_exists() -> None:
    """Snakemake passes over unknown names in silence."""
    profile = yaml.safe_load((ROOT / "slurm" / "config.yaml").read_text())
    rules = {
        name
        for file in (ROOT / "workflow" / "rules").glob("*.smk")
        for name in re.findall(r"^rule (\w+):", file.read_text(), re.MULTILINE)
    }
    # These two simulate too, and are of targets of their own.
    others = {"record_rollouts", "measure_diagnosis"}
    assert set(profile["set-resources"]) == {*MINUTES, *others}
    assert set(profile["set-resources"]) <= rules


def test_what_makes_tables_and_figures_is_no_job_of_the_cluster() -> None:
    """tests/slurm runs up to the scores, of which Snakemake tells that they are made locally."""
    (named,) = re.findall(r"^localrules:\n((?: +\w+,\n)+)", (ROOT / "Snakefile").read_text(), re.M)
    local = {"dataset", "scores", "statistics", "tables", "figures", "page", "show"}
    assert local <= set(re.findall(r"\w+", named))


def test_the_default_profile_is_found() -> None:
    """Snakemake looks for it beside the Snakefile, and passes over other places in silence."""
    result = subprocess.run(
        [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "all"],
        cwd=ROOT,
        env=forked(ROOT / "src"),
        capture_output=True,
        text=True,
    )
    assert "profiles/default" in result.stderr
