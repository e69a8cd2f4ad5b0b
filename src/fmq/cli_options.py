"""Arguments that many commands share, and the study that they name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from fmq import paths
from fmq.errors import UserError

TaskName = Annotated[str, typer.Argument(help="A task of the study.")]
Seed = Annotated[int, typer.Option(help="A seed of the study.")]
Seeds = Annotated[
    list[int],
    typer.Option("--seed", help="A seed of the study; again, for more of them in one process."),
]
Method = Annotated[str, typer.Option(help="A method of the study.")]
Results = Annotated[Path, typer.Option(help="Folder that the study fills.")]
Settings = Annotated[
    Path | None, typer.Option(help="All settings; RESULTS/settings.json unless given.")
]
Overlays = Annotated[
    list[Path], typer.Argument(help="config.yaml first, then what is laid over it.")
]
PolicyFolder = Annotated[Path, typer.Option(help="New folder for the policy.")]
RESULTS = Path("results")
CONFIG = [Path("config.yaml")]


def runs_of(study, task: str, seeds: Sequence[int], name: str):  # type: ignore[no-untyped-def]
    """The runs `name` of the seeds that a command trains, in ascending order.

    Raises:
        UserError: they are not the ones that the study trains together: numbers would be others
            under the same settings.
    """
    from fmq.runs import make_run

    runs = [make_run(study, task, seed, name) for seed in distinct(seeds)]
    together = [run.seed for run in runs[0].stack]
    if [run.seed for run in runs] != together:
        stacked = study.training.stack_seeds
        wanted = options(together) if stacked else "one --seed"
        raise UserError(
            f"training.stack_seeds is {str(stacked).lower()}: a command trains {wanted}, got "
            f"{options(seeds)}"
        )
    return runs


def distinct(seeds: Sequence[int]) -> list[int]:
    """The seeds in ascending order; `UserError` if one is there twice."""
    for seed in seeds:
        if seeds.count(seed) > 1:
            raise UserError(f"--seed {seed} is given more than once; name each seed once")
    return sorted(seeds)


def options(seeds: Sequence[int]) -> str:
    """``--seed 0 --seed 1``."""
    return " ".join(f"--seed {seed}" for seed in seeds)


def load(settings: Path | None, results: Path):  # type: ignore[no-untyped-def]
    """The study that a command works for; `UserError` if its settings are nowhere."""
    from fmq.configuration import load_study

    path = settings or paths.settings_file(results)
    if settings is None and not path.exists():
        raise UserError(
            f"{path}: no such settings file; snakemake writes it when it starts, and "
            "`fmq check config.yaml > FILE` makes one for --settings"
        )
    return load_study(path)
