"""`fmq run` is a snakemake command, which makes the study that `fmq plan` and others speak of."""

import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from helpers.refusals import refusal
from helpers.workflows import Project
from snakemake.cli import get_argument_parser, parse_config
from snakemake.settings.types import ConfigSettings
from typer.testing import CliRunner

from fmq import __version__
from fmq.base import machine
from fmq.base.errors import UserError
from fmq.cli import app
from fmq.cli.run import command_line
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
        ("smoke.yaml", "--cores 3 --configfile config/smoke.yaml"),
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
    parsed = get_argument_parser().parse_args(command_line(words)[1:])
    settings = ConfigSettings(
        config=parse_config(parsed.config), configfiles=parsed.configfile or []
    )
    workflow = SimpleNamespace(basedir=str(root), config_settings=settings)
    assert read_config(workflow) == study_of(words)


@pytest.mark.parametrize("option", ["--config", "--configfile=x.yaml", "-C"])
def test_options_that_would_replace_the_words_are_refused(option: str) -> None:
    assert option in refusal(command_line, ["device=cpu", option])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project") / "copy")


def test_a_dry_run_is_of_the_same_jobs_as_with_an_overlay(project: Project) -> None:
    run = project.shell("fmq run smoke.yaml fmq.eta=0.5 --cores 2 -n")
    assert run.returncode == 0, run.stderr
    outputs = re.findall(r"^    output: (.*)$", run.stdout + run.stderr, re.MULTILINE)
    made = {file for line in outputs for file in line.split(", ")}
    assert made == project.planned("fmq: {eta: 0.5}") != set()
    printed = "snakemake --cores 2 --configfile config/smoke.yaml --config 'fmq={eta: 0.5}' -n"
    assert printed in run.stderr.splitlines()


def test_a_wrong_setting_starts_no_snakemake(project: Project) -> None:
    run = project.shell("fmq run smoke.yaml fmq.etta=0.5 -n")
    assert (run.returncode, run.stdout) == (2, "")
    assert len(run.stderr.splitlines()) == 1
    assert "fmq.etta" in run.stderr


@pytest.mark.parametrize("command", ["run", "plan", "check", "status"])
def test_outside_of_a_study_a_command_is_refused(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert isinstance(CliRunner().invoke(app, [command]).exception, UserError)


def test_help_lists_every_command_once_and_version_needs_none() -> None:
    told = CliRunner().invoke(app, ["--help"]).stdout
    for name in typer.main.get_command(app).commands:
        assert len(re.findall(rf"^│ {name} ", told, re.MULTILINE)) == 1, name
    assert CliRunner().invoke(app, ["--version"]).stdout == f"fmq {__version__}\n"
