"""Arguments that many commands share, and functions to load the study and runs they name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from fmq.base.errors import UserError
from fmq.pipeline.seeds import options

TaskName = Annotated[str, typer.Argument(help="A task of the study.")]
Seed = Annotated[int, typer.Option(help="A seed of the study.")]
Seeds = Annotated[
    list[int],
    typer.Option(
        "--seed", help="A seed of the study; repeat the option for several in one process."
    ),
]
Method = Annotated[str, typer.Option(help="A method of the study.")]
Results = Annotated[Path, typer.Option(help="Results folder of the study.")]
Settings = Annotated[
    Path | None, typer.Option(help="File with all settings; by default RESULTS/settings.json.")
]
Changes = Annotated[
    list[str] | None,
    typer.Argument(
        help="What differs from config.yaml: overlays, and settings as key.sub=value; the words "
        "of `fmq run`."
    ),
]
PolicyFolder = Annotated[Path, typer.Option(help="New folder for the policy.")]
RESULTS = Path("results")
STUDY = "A study"
LOOK = "Look at a study"
POLICIES = "Policies"
INSIDE = "Inside: what the rules of the workflow call"
PANELS = (STUDY, LOOK, POLICIES, INSIDE)
"""Groups of commands, in the order of `fmq --help`."""


def runs_of(study, task: str, seeds: Sequence[int], name: str):  # type: ignore[no-untyped-def]
    """Return the runs `name` of the seeds that a command trains, in ascending order of seeds.

    Raises:
        UserError: the seeds are not those that the study trains together, which would change
            results under the same settings.
    """
    from fmq.pipeline.runs import make_run

    runs = [make_run(study, task, seed, name) for seed in distinct(seeds)]
    together = [run.seed for run in runs[0].stack]
    if [run.seed for run in runs] != together:
        stacked = study.training.stack_seeds
        wanted = options(together) if stacked else "one --seed"
        raise UserError(
            f"training.stack_seeds is {str(stacked).lower()}: give {wanted}, not {options(seeds)}"
        )
    return runs


def distinct(seeds: Sequence[int]) -> list[int]:
    """Return the seeds in ascending order; `UserError` if one is given twice."""
    for seed in seeds:
        if seeds.count(seed) > 1:
            raise UserError(f"--seed {seed} is given more than once; name each seed once")
    return sorted(seeds)


def load(settings: Path | None, results: Path):  # type: ignore[no-untyped-def]
    """Load the study that a command works on; `UserError` if its settings file is missing."""
    from fmq.config.reading import load_study
    from fmq.pipeline.paths import settings_file

    path = settings or settings_file(results)
    if settings is None and not path.exists():
        raise UserError(
            f"{path}: no such settings file; snakemake writes it when it starts, or create one "
            "with `fmq check > FILE` and pass it with --settings"
        )
    return load_study(path)
