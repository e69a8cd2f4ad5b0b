"""`fmq run` is a snakemake command, which makes the study that `fmq plan` and others speak of."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from helpers.refusals import refusal
from helpers.workflows import Project, outputs
from snakemake.cli import get_argument_parser, parse_config
from snakemake.settings.types import ConfigSettings
from typer.testing import CliRunner

from fmq import __version__
from fmq.base import machine
from fmq.base.errors import UserError
from fmq.cli import app
from fmq.cli.run import _profile_files, command_line
from fmq.config.study import Study
from fmq.config.words import study_of
from fmq.pipeline.rules import read_config


@pytest.fixture(autouse=True)
def _in_a_clone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setattr(machine, "cores", lambda: 8)
    monkeypatch.setattr(machine, "quota", lambda: 3.5)


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ("", "--cores 3"),
        ("smoke", "--cores 3 --configfile config/smoke.yaml"),
        ("config.yaml config/paper.yaml config/as_released.yaml theory",
         "--cores 3 --configfile config/paper.yaml config/as_released.yaml -- theory"),
        ("theory smoke.yaml fmq.eta=0.5 paper -n",
         "--cores 3 --configfile config/smoke.yaml --config 'fmq={eta: 0.5}' -n -- theory paper"),
        ("training.batch_size=128 device=cpu training.capture=true seeds=[0,1]",
         "--cores 3 --config 'training={batch_size: 128, capture: true}' device=cpu"
         " 'seeds=[0, 1]'"),
        ("results/scores.csv --keep-going --directory=build/x",
         "--cores 3 --keep-going --directory=build/x -- results/scores.csv"),
        ("--resources=gpu=4 theory --resources=mem_mb=9000 -n",
         "--cores 3 --resources gpu=4 mem_mb=9000 -n -- theory"),
    ],
)  # fmt: skip
def test_words_become_a_command(words: str, command: str) -> None:
    assert command_line(shlex.split(words)) == ["snakemake", *shlex.split(command)]


def test_cores_and_slurm() -> None:
    assert command_line([], cores=2) == ["snakemake", "--cores", "2"]
    assert command_line(["theory"], slurm=True) == shlex.split(
        "snakemake --profile slurm -- theory"
    )
    given = command_line(["smoke.yaml"], cores=4, slurm=True)[1:]
    assert given == shlex.split("--cores 4 --profile slurm --configfile config/smoke.yaml")


def test_on_slurm_overrides_are_those_of_the_profiles_study() -> None:
    missing = "task_settings.pointmaze-medium-navigate-singletask-task2-v0.none=1"
    assert "none" in refusal(command_line, [missing], slurm=True)
    assert "config/paper.yaml" in refusal(command_line, [missing], slurm=True)
    assert "config/paper.yaml" not in refusal(command_line, [missing])


@pytest.mark.parametrize(
    "words",
    [
        ["seeds=[010, 0x3]", "name=on", "data_dir="],
        ["training.learning_rate=1e-3", "offline.steps=3_000", "training={log_every: 7}"],
        [
            "imported.theirs={label: Theirs, files: '~/x/{task}-{seed:02d}.pkl'}",
            "allow_missing=true",
        ],
        ["ablations.methods={fmq@eta-3: {fmq: {eta: 3.0}}}", "smoke.yaml"],
    ],
)
def test_snakemake_reads_the_study_that_was_checked(words: list[str], root: Path) -> None:
    assert asked_of_snakemake(command_line(words)[1:], root) == (study_of(words), [])


TWO_WAYS = [
    ("", ""),
    ("smoke", "--configfile config/smoke.yaml"),
    ("smoke fmq.eta=0.5", "--configfile config/smoke.yaml --config fmq='{eta: 0.5}'"),
    ("theory smoke.yaml paper", "--configfile config/smoke.yaml -- theory paper"),
    ("'seeds=[3, 1]' methods=[fmq,qc] samplers=[]",
     "--config seeds=[3,1] methods='[fmq, qc]' samplers=[]"),
    ("training.stack_seeds=true seeds=[0,1] smoke.yaml diagnose rollouts",
     "--config training='{stack_seeds: true}' 'seeds=[0, 1]' --configfile config/smoke.yaml"
     " -- diagnose rollouts"),
    ("mine smoke evaluation.episodes=0x8", "--configfile mine.yaml config/smoke.yaml"
     " --config evaluation='{episodes: 8}'"),
    ("smoke mine ablations convergence results/scores.csv",
     "--configfile config/smoke.yaml mine.yaml -- ablations convergence results/scores.csv"),
    ("config/paper.yaml as_released seeds=[0] tasks=[cube-triple-play-singletask-task4-v0]",
     "--configfile config/paper.yaml config/as_released.yaml --config seeds=[0]"
     " tasks=[cube-triple-play-singletask-task4-v0]"),
    ("manipulation overnight name=night trust_region",
     "--configfile config/manipulation.yaml config/overnight.yaml --config name=night"
     " -- trust_region"),
]  # fmt: skip
"""Words of `fmq run`, and what somebody who knows Snakemake would type instead."""
CATALOGUE = ["--snakefile", "workflow/Snakefile", "--configfile", "config/smoke.yaml"]
"""The second of them, from where the catalogue of workflows looks."""
MINE = "seeds: [4]\nmethods: [fmq, mvp]\nsamplers: [fmq+qgbs]\n"


def asked_of_snakemake(arguments: list[str], root: Path) -> tuple[Study, list[str]]:
    """The study and the targets that Snakemake would read from its arguments."""
    parsed = get_argument_parser().parse_args(arguments)
    settings = ConfigSettings(
        config=parse_config(parsed.config), configfiles=parsed.configfile or []
    )
    modifier = SimpleNamespace(is_main_snakefile=lambda: True)
    workflow = SimpleNamespace(config_settings=settings, modifier=modifier)
    return read_config(workflow, str(root)), sorted(parsed.targets)


def test_ten_combinations_ask_for_the_same_as_snakemake(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("Snakefile", "config.yaml", "config", "workflow"):
        (tmp_path / name).symlink_to(root / name)
    (tmp_path / "mine.yaml").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    for words, typed in TWO_WAYS:
        made = command_line(shlex.split(words))[1:]
        assert asked_of_snakemake(made, root) == asked_of_snakemake(shlex.split(typed), root)


@pytest.mark.parametrize("option", ["--config", "--configfile=x.yaml", "-C"])
def test_options_that_would_replace_the_words_are_refused(option: str) -> None:
    assert option in refusal(command_line, ["device=cpu", option])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project") / "copy")


def test_a_dry_run_is_of_the_same_jobs_as_with_an_overlay(project: Project) -> None:
    run = project.shell("fmq run smoke.yaml fmq.eta=0.5 --cores 2 -n")
    assert run.returncode == 0, run.stderr
    assert outputs(run.stdout + run.stderr) == project.planned("fmq: {eta: 0.5}") != set()
    printed = "snakemake --cores 2 --configfile config/smoke.yaml --config 'fmq={eta: 0.5}' -n"
    assert printed in run.stderr.splitlines()


DRY_RUNS = """
import json, os, sys
import fmq.pipeline.rules
from snakemake.cli import main
for number, arguments in enumerate(json.load(sys.stdin)):
    if not os.fork():
        sys.argv = ["snakemake", "--cores", "2", "--dry-run", *arguments]
        sys.exit(main(sys.argv[1:]))
    assert os.wait()[1] == 0, arguments
    print("end", flush=True)
"""
"""Dry runs of one process, which has imported Snakemake once; its imports take longest."""


@pytest.mark.slow
def test_ten_combinations_make_the_same_as_with_snakemake(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    Path("mine.yaml").write_text(MINE)
    both = [(command_line(shlex.split(words))[1:], shlex.split(typed)) for words, typed in TWO_WAYS]
    done = subprocess.run(
        [sys.executable, "-c", DRY_RUNS],
        input=json.dumps([*(arguments for pair in both for arguments in pair), CATALOGUE]),
        env=project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    told = re.split(r"^end$", done.stdout, flags=re.MULTILINE)
    *planned, catalogue, rest = map(outputs, told)
    assert (len(planned), rest) == (20, set())
    assert planned[::2] == planned[1::2]
    assert len(set(map(frozenset, planned))) == 10
    assert set() not in planned
    assert catalogue == planned[2]


def test_a_wrong_setting_starts_no_snakemake(project: Project) -> None:
    run = project.shell("fmq run smoke.yaml fmq.etta=0.5 -n")
    assert (run.returncode, run.stdout) == (2, "")
    assert len(run.stderr.splitlines()) == 1
    assert "fmq.etta" in run.stderr


def test_elsewhere_the_command_names_the_package_s_files(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command_line(["smoke"], cores=2) == shlex.split(
        f"snakemake --snakefile {root}/Snakefile --cores 2 --configfile {root}/config/smoke.yaml"
    )
    assert command_line([], slurm=True) == shlex.split(
        f"snakemake --snakefile {root}/Snakefile --profile {root}/slurm"
        f" --configfile {root}/config/paper.yaml"
    )
    assert "--configfile" not in command_line([])


def test_a_workflow_that_is_named_is_taken(tmp_path: Path, root: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config.yaml").write_text((root / "config.yaml").read_text())
    (tmp_path / "config/theirs.yaml").write_text("seeds: [7]")
    named = f"--snakefile={tmp_path}/Snakefile"
    assert command_line(["theirs", named], cores=1) == shlex.split(
        f"snakemake --cores 1 --configfile {tmp_path}/config/theirs.yaml {named}"
    )


def test_status_of_no_study_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert isinstance(CliRunner().invoke(app, ["status"]).exception, UserError)


def test_help_lists_every_command_once_and_version_needs_none() -> None:
    told = CliRunner().invoke(app, ["--help"]).stdout
    for name in typer.main.get_command(app).commands:
        assert len(re.findall(rf"^│ {name} ", told, re.MULTILINE)) == 1, name
    assert CliRunner().invoke(app, ["--version"]).stdout == f"fmq {__version__}\n"


@pytest.mark.parametrize(
    "text", ["a: b: c", "\tjobs: 1", "[1]", "configfile: 5", "configfile: [{}]"]
)
def test_a_damaged_profile_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "slurm").mkdir()
    (tmp_path / "slurm" / "config.yaml").write_text(text)
    assert "slurm/config.yaml" in refusal(_profile_files, tmp_path)


@pytest.mark.parametrize("text", ["", "configfile:", "jobs: 1"])
def test_a_profile_need_not_name_overlays(tmp_path: Path, text: str) -> None:
    (tmp_path / "slurm").mkdir()
    (tmp_path / "slurm" / "config.yaml").write_text(text)
    assert _profile_files(tmp_path) == ()
