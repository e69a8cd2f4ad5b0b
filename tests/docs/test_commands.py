"""Every command line that the pages show is one that its program takes; none is run."""

import argparse
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from helpers.documents import PAGES, ROOT, Command, code_spans, commands, introduced
from packaging.requirements import Requirement

from fmq.cli import app
from fmq.config.reading import load_study
from fmq.config.study import Study
from fmq.config.tasks import TaskSettings, parse_task
from fmq.config.words import sort_words
from fmq.pipeline.rules import method_pattern, run_pattern, sampler_pattern

COMMANDS = [command for page in PAGES for command in commands(page)]
GROUP = typer.main.get_command(app)


def rules() -> set[str]:
    """Names of Snakemake's rules, which are its targets."""
    files = [ROOT / "Snakefile", *(ROOT / "workflow" / "rules").glob("*.smk")]
    text = "\n".join(file.read_text() for file in files)
    return set(re.findall(r"^rule (\w+):", text, re.MULTILINE))


def make_targets() -> set[str]:
    return set(re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def known_file(command: Command, name: str) -> bool:
    """Whether the file is there, or the page shows what to write into it."""
    return (ROOT / name).exists() or name in introduced(command.page)


def shown(command: Command, word: str) -> bool:
    """Whether a file that the page shows has the word: a task or method of one's own."""
    texts = (block.text for block in introduced(command.page).values())
    return any(re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) for text in texts)


def check_fmq(command: Command, words: list[str]) -> None:
    """The subcommand's own parser takes the words, and names mean something."""
    if words == ["--help"]:
        return
    name, subcommand, rest = GROUP.resolve_command(typer.Context(GROUP), words)
    values = subcommand.make_context(name, rest).params
    study = load_study(ROOT / "config.yaml")
    for key, pattern in (
        ("run", run_pattern(study)),
        ("method", method_pattern(study)),
        ("sampler", sampler_pattern(study)),
    ):
        value = values.get(key)
        own = value and shown(command, value.removeprefix("finetune-"))
        assert value is None or own or re.fullmatch(pattern, value), value
    if "task" in values and not shown(command, values["task"]):
        parse_task(values["task"], TaskSettings())
    words = values.get("words") or values.get("changes") or []
    changes = sort_words([word for word in words if word[0] != "-"], targets=name == "run")
    whole = values.get("settings")
    for path in (*changes.files, *(whole if isinstance(whole, list) else [])):
        made = path.is_relative_to("results/studies")  # by the study's own command
        assert made or known_file(command, str(path)), f"{path}: neither there nor on the page"
    load_study(ROOT / "config.yaml", given=changes.given)
    for target in changes.targets:
        assert target in rules() or target.startswith("results/"), f"{target}: no rule"


def check_snakemake(command: Command, words: list[str]) -> None:
    """Snakemake's own parser takes the words; targets are rules, and files are there."""
    from snakemake.cli import get_argument_parser

    arguments = get_argument_parser().parse_args(words)
    for target in arguments.targets:
        assert target in rules(), f"{target}: no rule"
    for file in arguments.configfile or []:
        assert known_file(command, str(file)), f"{file}: neither there nor shown on the page"
    for setting in arguments.config or []:
        assert setting.partition("=")[0] in Study.model_fields, setting
    profiles = arguments.profile or []
    for profile in [profiles] if isinstance(profiles, str) else profiles:
        assert (ROOT / profile / "config.yaml").exists(), f"{profile}: no profile"


def check_make(command: Command, words: list[str]) -> None:
    for word in words:
        assert word in make_targets() or re.match(r"(CORES|PYTHON|PIP_EXTRA_INDEX_URL)=", word), (
            word
        )


def check_python(command: Command, words: list[str]) -> None:
    """The script's own parser takes the words; it is stopped behind that."""
    if words[0] in introduced(command.page):
        return
    script = ROOT / words[0]
    if "argparse" not in script.read_text():
        assert words[1:] == [], f"{words[0]} takes no arguments"
        return

    class Parsed(Exception):
        pass

    parse = argparse.ArgumentParser.parse_args

    def stop(parser: argparse.ArgumentParser, *arguments: Any) -> None:
        parse(parser, *arguments)
        raise Parsed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        patch.setattr(sys, "argv", words)
        patch.syspath_prepend(str(script.parent))
        with pytest.raises(Parsed):
            runpy.run_path(str(script), run_name="__main__")


def check_pytest(command: Command, words: list[str]) -> None:
    for word in words:
        assert (ROOT / word.partition("::")[0]).exists(), word


def check_pip(command: Command, words: list[str]) -> None:
    """What is built or installed is this project, with extras that it has."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert words[0] in ("install", "wheel")
    for word in words[1:]:
        if word.endswith(".whl"):
            assert word == f"dist/fmq-{project['version']}-py3-none-any.whl"
        elif not word.startswith("-"):
            requirement = Requirement(word.replace(".", "fmq", 1) if word[0] == "." else word)
            assert requirement.name == "fmq"
            assert requirement.extras <= set(project["optional-dependencies"])


def check_tensorboard(command: Command, words: list[str]) -> None:
    assert words[0] == "--logdir"
    assert words[1].startswith("results/trackers/tensorboard")


def check_container(command: Command, words: list[str]) -> None:
    """A recipe declares the arguments it is given, and words after an image are `fmq run`'s."""
    recipes = {"docker": "Dockerfile", "apptainer": "apptainer.def"}
    recipe = (ROOT / recipes[command.words[0]]).read_text()
    if words[0] == "build":
        given = words[words.index("--build-arg") + 1] if "--build-arg" in words else "DEVICE=cpu"
        assert re.search(rf"\b{given.partition('=')[0]}=", recipe)
        assert words[-1] == "." or (ROOT / words[-1]).exists()
        return
    assert words[0] == "run"
    image = next(number for number, word in enumerate(words) if word.startswith("fmq"))
    check_fmq(command, ["run", *words[image + 1 :]])


CHECKS: dict[str, Callable[[Command, list[str]], None]] = {
    "fmq": check_fmq,
    "snakemake": check_snakemake,
    "make": check_make,
    "python": check_python,
    "pytest": check_pytest,
    "pip": check_pip,
    "tensorboard": check_tensorboard,
    "docker": check_container,
    "apptainer": check_container,
}
OTHERS = {".", "apt-get", "cd", "git", "hf", "mkdir", "scancel"}
"""Programs that are not ours, and whose arguments say nothing of this project."""


def check(command: Command) -> None:
    """Raise unless the command is one that could be run."""
    program, *words = command.words
    if program not in OTHERS:
        assert program in CHECKS, f"{program}: output is fenced as ```text"
        CHECKS[program](command, words)


@pytest.fixture(autouse=True)
def _in_a_clone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands find config/smoke.yaml, for one."""
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_commands_parse(command: Command) -> None:
    check(command)


@pytest.mark.parametrize(
    "line",
    [
        "fmq finetun x --seed 0 --method fmq",
        "fmq finetune pointmaze-medium-navigate-singletask-task4-v0 --seed 0 --method none",
        "fmq finetune pointmaze-medium-navigate-singletask-task4-v0 --seed zero --method fmq",
        "fmq finetune pointmaze-medium-navigate-singletask-task9-v0 --seed 0 --method fmq",
        "fmq export pointmaze-medium-navigate-singletask-task4-v0 --seed 0 --run finetune-fmq",
        "fmq check config.yaml none.yaml",
        "fmq plan fmq.etta=1",
        "fmq run none.yaml",
        "fmq run convergance",
        "fmq run fmq.etta=1 theory",
        "fmq run --cores many",
        "snakemake --cores 8 convergance",
        "snakemake --cores 8 --config-files config/smoke.yaml",
        "snakemake --cores 8 --configfile config/none.yaml",
        "snakemake --cores 8 --config tracer=tensorboard",
        "snakemake --profile none",
        "make studies",
        "python benchmarks/none.py",
        "python benchmarks/fuzz.py --input 3 --seeds 2",
        "python benchmarks/checkpoint_cost.py --seed 0",
        "pytest tests/none.py",
        'pip install -e ".[none]"',
        "sankemake --cores 8",
        "docker build --build-arg CUDA=13 .",
        "docker build context",
        "docker run --rm fmq none.yaml",
        "apptainer build fmq.sif none.def",
        "apptainer exec fmq.sif",
    ],
)
def test_a_command_that_would_fail_is_found(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"```\n{line}\n```\n")
    (command,) = commands(page)
    # By whichever error its program's parser has; none of them is a success.
    with pytest.raises((Exception, SystemExit)) as error:
        check(command)
    assert not (isinstance(error.value, SystemExit) and error.value.code == 0)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_sentences_exist(page: Path) -> None:
    """`fmq doctor`, `snakemake theory` or `make docs`: as far as their first word."""
    names = {"fmq": set(GROUP.commands), "snakemake": rules(), "make": make_targets()}
    lost = []
    for span in code_spans(page):
        program, *words = span.split()
        if program in names and words and re.fullmatch(r"[a-z][\w-]*", words[0]):
            lost += [span] * (words[0] not in names[program])
    assert lost == []
