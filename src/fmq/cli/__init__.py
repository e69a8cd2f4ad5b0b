"""The `fmq` command line: one subcommand per workflow rule, and tools around the study."""

import errno
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from fmq.base.errors import Preempted, UserError
from fmq.cli.evidence import app as evidence
from fmq.cli.options import (
    CONFIG,
    RESULTS,
    Method,
    Overlays,
    PolicyFolder,
    Results,
    Seed,
    Seeds,
    Settings,
    TaskName,
    distinct,
    load,
    runs_of,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Flow map policies with optimal Q-guidance: every stage of the study as a command.",
)

NO_ROOM_OR_RIGHT = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)
STOPPED = 75  # exit code of a run that was asked to stop and continues when started again


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
def dataset(
    name: Annotated[str, typer.Argument(help="A data set of the study.")],
    processes: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
    settings: Settings = None,
    results: Results = RESULTS,
) -> None:
    """Generate a data set, link a local file, or copy or download an official one."""
    from fmq.data.provide import provide_dataset

    provide_dataset(load(settings, results), name, results, processes)


@app.command()
def pretrain(
    task: TaskName,
    seed: Seeds,
    budget: Annotated[
        str, typer.Option(help="full, warmup (before distillation), fql, single or n-step.")
    ],
    settings: Settings = None,
    results: Results = RESULTS,
) -> None:
    """Train a flow policy and its critics on the data set."""
    from fmq.training.offline import train_offline

    study = load(settings, results)
    train_offline(runs_of(study, task, seed, f"pretrain-{budget}"), results)


@app.command()
def distill(
    task: TaskName,
    seed: Seeds,
    kind: Annotated[str, typer.Option(help="The study's distillation: esd, lsd or psd.")],
    settings: Settings = None,
    results: Results = RESULTS,
) -> None:
    """Distill the pre-trained policy into a flow map."""
    from fmq.training.offline import train_offline

    study = load(settings, results)
    train_offline(runs_of(study, task, seed, f"distill-{kind}"), results)


@app.command()
def finetune(
    task: TaskName,
    seed: Seeds,
    method: Method,
    settings: Settings = None,
    results: Results = RESULTS,
) -> None:
    """Fine-tune a method's offline policy in the simulator."""
    from fmq.training.online import finetune as train_online

    study = load(settings, results)
    train_online(runs_of(study, task, seed, f"finetune-{method}"), results)


@app.command()
def import_run(
    task: TaskName,
    seed: Seed,
    method: Method,
    settings: Settings = None,
    results: Results = RESULTS,
) -> None:
    """Make an imported method's run from its file, without executing anything in it."""
    from fmq.export.imported_runs import import_run as read
    from fmq.pipeline.runs import make_run

    read(make_run(load(settings, results), task, seed, f"finetune-{method}"), results)


@app.command()
def evaluate(
    task: TaskName,
    seed: Seeds,
    run: Annotated[str, typer.Option(help="A run's folder name, e.g. finetune-fmq.")],
    sampler: Annotated[str, typer.Option(help="Sampler to act with, e.g. best_of_n or qgbs.")],
    settings: Settings = None,
    results: Results = RESULTS,
) -> None:
    """Evaluate the last checkpoint of a run."""
    from fmq.acting.evaluation import evaluate_checkpoints
    from fmq.pipeline.runs import make_run

    study = load(settings, results)
    runs = [make_run(study, task, one, run) for one in distinct(seed)]
    evaluate_checkpoints(runs, sampler, results)


@app.command()
def export(
    task: TaskName,
    seed: Seed,
    run: Annotated[str, typer.Option(help="A run's folder name, e.g. finetune-fmq.")],
    to: PolicyFolder,
    one_step: Annotated[
        bool, typer.Option("--one-step", help="Also export the one-step map with torch.export.")
    ] = False,
    settings: Settings = None,
    results: Results = RESULTS,
) -> None:
    """Export the last policy of a run to a folder that works without the study."""
    from fmq.export.exporting import export_run
    from fmq.pipeline.runs import make_run

    card = export_run(make_run(load(settings, results), task, seed, run), results, to, one_step)
    scores = [f"{score.success:.0%} by {name}" for name, score in card.scores.items()]
    told = ", ".join(scores) or "not evaluated"
    typer.echo(f"{to}: {run} of {task}, seed {seed}; success {told}; `fmq play {to}` runs it")


@app.command()
def import_jax(
    file: Annotated[Path, typer.Argument(help="Checkpoint, e.g. params_online_sd000.pkl.")],
    task: Annotated[str, typer.Option(help="Task that the policy was trained on.")],
    to: PolicyFolder,
    settings: Settings = None,
    results: Results = RESULTS,
) -> None:
    """Convert a checkpoint of the paper's authors to a policy folder, without executing it."""
    from fmq.export.importing import import_jax as read

    for line in read(file, load(settings, results), task, to):
        typer.echo(line)


@app.command()
def play(
    folder: Annotated[Path, typer.Argument(help="Folder of an exported policy.")],
    episodes: Annotated[int, typer.Option(min=1, help="Number of episodes.")] = 10,
    sampler: Annotated[
        str | None, typer.Option(help="Sampler, e.g. qgbs; by default the policy's own.")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the initial states and of the noise.")
    ] = 0,
    results: Results = RESULTS,
) -> None:
    """Run episodes of an exported policy in its task's simulator."""
    from fmq.export.playing import play as run_episodes
    from fmq.export.playing import summary

    done = []
    for episode in run_episodes(folder, sampler, episodes, seed, results):
        done.append(episode)
        told = "success" if episode.success else "failure"
        typer.echo(f"{len(done)}: {told}, return {episode.return_:.1f}, length {episode.length}")
    typer.echo(summary(done))


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


app.add_typer(evidence)


def main() -> None:
    """Run the command line; errors that the user can fix print one line and exit with code 2."""
    # The simulators' linear algebra rounds differently with another number of threads, so the same
    # seed would generate different data. torch's own threads are set by `threads`.
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    try:
        app()
    except UserError as error:
        print(f"fmq: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        if error.errno not in NO_ROOM_OR_RIGHT:
            raise
        place = f"{error.filename}: " if error.filename else ""
        told = f"{place}{error.strerror}; free disk space or check the permission to write there"
        print(f"fmq: {told}, then run the command again", file=sys.stderr)
        raise SystemExit(2) from None
    except Preempted:
        print("fmq: stopped as asked; the same command goes on from here", file=sys.stderr)
        raise SystemExit(STOPPED) from None
