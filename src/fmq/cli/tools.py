"""Commands around a study: check its settings, plan it, look at it, and tidy up."""

from pathlib import Path
from typing import Annotated

import typer

from fmq.cli.options import CONFIG, RESULTS, Overlays, Results, Settings

app = typer.Typer()


@app.command()
def check(settings: Overlays) -> None:
    """Check settings files and print the merged settings as JSON."""
    from fmq.config.reading import load_study, refuse_missing

    study = load_study(*settings)
    refuse_missing(study)
    typer.echo(study.model_dump_json(indent=2))


@app.command()
def schema() -> None:
    """Print the JSON schema of the settings."""
    from fmq.config.reading import schema_text

    typer.echo(schema_text(), nl=False)


@app.command()
def doctor(settings: Overlays = CONFIG, results: Results = RESULTS) -> None:
    """Check what this machine lacks and suggest remedies; exit with code 1 if a check fails."""
    from fmq.tools.doctor.findings import as_text
    from fmq.tools.doctor.report import examine

    failures = 0
    for finding in examine(settings, results):
        typer.echo(as_text(finding))
        failures += finding.mark == "FAIL"
    typer.echo(f"\n{failures} failed" if failures else "\nnothing failed")
    raise typer.Exit(min(failures, 1))


@app.command()
def plan(
    settings: Overlays = CONFIG,
    cores: Annotated[
        int | None, typer.Option(min=1, help="Cores for snakemake; by default all.")
    ] = None,
) -> None:
    """Measure this machine briefly, and estimate a study's jobs, steps, disk space and hours."""
    from fmq.config.reading import load_study
    from fmq.tools.plan.plan import make_plan
    from fmq.tools.plan.report import as_text

    typer.echo(as_text(make_plan(load_study(*settings), cores)))


@app.command()
def status(
    watch: Annotated[bool, typer.Option("--watch", help="Repeat every few seconds.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON: docs/status.md.")] = False,
    settings: Settings = None,
    results: Results = RESULTS,
) -> None:
    """Show what is done, running, waiting and failed, by reading files only."""
    from fmq.pipeline.paths import settings_file
    from fmq.tools.status.watch import show

    show(settings or settings_file(results), results, json, watch)


@app.command()
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
