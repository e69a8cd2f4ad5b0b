"""`fmq run`: the study's workflow, in words that need no knowledge of Snakemake's options."""

import os
import re
import shlex
import sys
from collections.abc import Sequence
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import typer

from fmq.base.errors import UserError
from fmq.base.machine import usable_cores
from fmq.base.places import workflow_folder
from fmq.base.programs import own_command_first
from fmq.cli.options import STUDY

app = typer.Typer()

PROFILE = "slurm"

_PLAIN = re.compile(r"-?[\w./~$][\w./~$@+-]*")
"""Text that needs no quotes in a list or mapping of YAML."""


@app.command(rich_help_panel=STUDY, context_settings={"ignore_unknown_options": True})
def run(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="Overlays of config.yaml, settings as key.sub=value, and targets: rules such as "
            "theory, or files in results/. Other options are Snakemake's, with an equals sign "
            "before a value, and once for each of several values."
        ),
    ] = None,
    cores: Annotated[
        int | None,
        typer.Option(
            "--cores", "-c", min=1, help="Cores to use; by default all that this process may use."
        ),
    ] = None,
    slurm: Annotated[
        bool, typer.Option("--slurm", help="Submit jobs to Slurm, as slurm/config.yaml says.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only show what would be made.")
    ] = False,
) -> None:
    """Make a study's tables and figures, or other targets: print the snakemake command, run it."""
    command = command_line([*(words or []), *["-n"] * dry_run], cores, slurm)
    own_command_first("snakemake")
    print(shlex.join(command), file=sys.stderr, flush=True)
    os.execvp(command[0], command)


def command_line(words: Sequence[str], cores: int | None = None, slurm: bool = False) -> list[str]:
    """Return the snakemake command that the words of `fmq run` stand for.

    In a checkout it is short, since Snakemake finds the workflow there by itself; elsewhere it
    names the files of the package's own.

    Args:
        words: overlays, overrides, targets and options of Snakemake, in any order.
        cores: number of cores; None for all of this machine, or as many as Slurm gives.
        slurm: whether jobs are submitted to Slurm.

    Raises:
        UserError: a setting is wrong; one line names it, the reason and the value. Or an option of
            Snakemake is given that would replace the overlays or overrides.
    """
    from fmq.config.words import sort_words, study_with

    options = [word for word in words if word.startswith("-")]
    if replacing := [word for word in options if word.startswith(("--conf", "-C"))]:
        raise UserError(f"{replacing[0]}: leave it out; files and KEY=VALUE need no option here")
    snakefile = next((one[12:] for one in options if one.startswith("--snakefile=")), None)
    folder = Path(snakefile).parent if snakefile else workflow_folder()
    files, given, targets = sort_words(
        [word for word in words if not word.startswith("-")], targets=True, folder=folder
    )
    by_profile = _profile_files(folder) if slurm and not files else ()
    study_with(files or by_profile, given, folder)
    if folder != Path():  # Snakemake looks for files that a profile names in the current folder
        files = files or by_profile
    if cores is None and not slurm:
        cores = usable_cores()
    return [
        "snakemake",
        *([] if snakefile or folder == Path() else ["--snakefile", str(folder / "Snakefile")]),
        *(["--cores", str(cores)] if cores else []),
        *(["--profile", str(folder / PROFILE)] if slurm else []),
        *(["--configfile", *map(str, files)] if files else []),
        *(["--config", *(f"{key}={_text(one)}" for key, one in given.items())] if given else []),
        *_joined(options),
        *(["--", *targets] if targets else []),
    ]


def _joined(options: Sequence[str]) -> list[str]:
    """Return options with ``--name=value`` of one name as one that has all the values."""
    values: dict[str, list[str]] = {}
    for option in options:
        name, is_given, value = option.partition("=")
        values.setdefault(name, []).extend([value] if is_given else [])
    return [
        word
        for name, given in values.items()
        for word in ([f"{name}={given[0]}"] if len(given) == 1 else [name, *given])
    ]


def _profile_files(folder: Path) -> tuple[Path, ...]:
    """Return the overlays that the profile names; others on the command line replace them.

    Raises:
        UserError: the profile is not a mapping in YAML, or what it names are not files.
    """
    import yaml

    path = folder / PROFILE / "config.yaml"
    try:
        profile = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        named = profile.get("configfile") or []
        return tuple(folder / one for one in ([named] if isinstance(named, str) else named))
    except (yaml.YAMLError, ValueError, TypeError, AttributeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path}: not a profile of Snakemake: {reason}") from None


def _text(value: Any) -> str:
    """Return an override's value as Snakemake reads it back."""
    return value if isinstance(value, str) else _flow(value)


def _flow(value: Any) -> str:
    """Return text, or lists and mappings of text, as YAML on one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_flow(key)}: {_flow(one)}' for key, one in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    return value if _PLAIN.fullmatch(value) else dumps(value, ensure_ascii=False)
