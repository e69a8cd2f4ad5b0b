"""Commands around a study: check its settings, plan it, look at it, and tidy up."""

from pathlib import Path
from typing import Annotated

import typer

from fmq.base.errors import UserError
from fmq.base.messages import notice
from fmq.cli.options import LOOK, RESULTS, STUDY, Changes, Results, Settings, load

app = typer.Typer()


@app.command(rich_help_panel=STUDY)
def check(changes: Changes = None) -> None:
    """Check a study's settings and print all of them as JSON."""
    from fmq.config.reading import refuse_missing
    from fmq.config.words import study_of

    study = study_of(changes or ())
    refuse_missing(study)
    typer.echo(study.model_dump_json(indent=2))


@app.command()
def schema() -> None:
    """Print the JSON schema of the settings."""
    from fmq.config.reading import schema_text

    typer.echo(schema_text(), nl=False)


@app.command(rich_help_panel=STUDY)
def doctor(changes: Changes = None, results: Results = RESULTS) -> None:
    """Check what this machine lacks and suggest remedies; exit with code 1 if a check fails."""
    from fmq.tools.doctor.findings import as_text
    from fmq.tools.doctor.report import examine

    failures = 0
    for finding in examine(changes or (), results):
        typer.echo(as_text(finding))
        failures += finding.mark == "FAIL"
    typer.echo(f"\n{failures} failed" if failures else "\nnothing failed")
    raise typer.Exit(min(failures, 1))


@app.command(rich_help_panel=STUDY)
def plan(
    changes: Changes = None,
    cores: Annotated[
        int | None, typer.Option(min=1, help="Cores for snakemake; by default all.")
    ] = None,
) -> None:
    """Measure this machine briefly, and estimate a study's jobs, steps, disk space and hours."""
    from fmq.config.words import study_of

    study = study_of(changes or ())  # first, since torch is imported below
    from fmq.tools.plan.plan import make_plan
    from fmq.tools.plan.report import as_text

    typer.echo(as_text(make_plan(study, cores)))


@app.command(rich_help_panel=LOOK)
def status(
    changes: Changes = None,
    watch: Annotated[bool, typer.Option("--watch", help="Repeat every few seconds.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON: docs/status.md.")] = False,
    details: Annotated[
        bool, typer.Option("--details", help="Show every part, even of a large study.")
    ] = False,
    settings: Settings = None,
    results: Results = RESULTS,
) -> None:
    """Show what is done, running, waiting and failed, of the study that ran last or of another."""
    from fmq.config.reading import refuse_missing
    from fmq.config.words import study_of
    from fmq.tools.status.watch import show

    if settings and changes:
        raise UserError(
            "--settings is a whole study; leave out the overlays and settings beside it"
        )

    def study():  # type: ignore[no-untyped-def]
        return study_of(changes) if changes else load(settings, results)

    current = study()
    try:
        refuse_missing(current)
    except UserError as error:
        notice(f"{error}; until it is there, what was made of it is not known as done")
    show(study, results, json, watch, details)


@app.command(rich_help_panel=STUDY)
def gc(
    settings: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Full settings of each study to keep; by default RESULTS/settings.json."
        ),
    ] = None,
    results: Results = RESULTS,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without this, only list.")] = False,
) -> None:
    """List or delete the results that none of the given studies needs."""
    from fmq.pipeline.paths import settings_file
    from fmq.tools.gc import collect

    for line in collect(settings or [settings_file(results)], results, delete=yes):
        typer.echo(line)
