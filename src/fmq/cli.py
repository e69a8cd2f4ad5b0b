"""The `fmq` command: one subcommand per workflow rule, each an argument list and a call."""

import errno
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from fmq import paths
from fmq.cli_evidence import app as evidence
from fmq.cli_options import (
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
from fmq.errors import Preempted, UserError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Flow map policies with optimal Q-guidance: every stage of the study as a command.",
)

NO_ROOM_OR_RIGHT = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)
STOPPED = 75  # exit code of a run that was asked to stop, and goes on when started again


@app.command()
def check(settings: Overlays) -> None:
    """Check settings files and print what they come to."""
    from fmq.configuration import load_study, refuse_missing

    study = load_study(*settings)
    refuse_missing(study)
    typer.echo(study.model_dump_json(indent=2))


@app.command()
def schema() -> None:
    """Print the JSON schema of the settings."""
    from fmq.configuration import schema_text

    typer.echo(schema_text(), nl=False)


@app.command()
def doctor(settings: Overlays = CONFIG, results: Results = RESULTS) -> None:
    """Look for what this machine lacks, and name the remedy; exit code 1 if anything fails."""
    from fmq.doctor.findings import as_text
    from fmq.doctor.report import examine

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
    """Generate a data set, take a file, or fetch it from a local copy or its publisher."""
    from fmq.data.provide import provide_dataset

    provide_dataset(load(settings, results), name, results, processes)


@app.command()
def pretrain(
    task: TaskName,
    seed: Seeds,
    budget: Annotated[
        str, typer.Option(help="full, warmup (for a later distillation), fql, single or n-step.")
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
    """Turn the pre-trained policy into a flow map."""
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
    """Make the run of an imported method from its file; nothing in it is executed."""
    from fmq.export.imported_runs import import_run as read
    from fmq.runs import make_run

    read(make_run(load(settings, results), task, seed, f"finetune-{method}"), results)


@app.command()
def evaluate(
    task: TaskName,
    seed: Seeds,
    run: Annotated[str, typer.Option(help="A run's folder name, e.g. finetune-fmq.")],
    sampler: Annotated[str, typer.Option(help="How to act, e.g. best_of_n or qgbs.")],
    settings: Settings = None,
    results: Results = RESULTS,
) -> None:
    """Evaluate the last checkpoint of a run."""
    from fmq.evaluation import evaluate_checkpoints
    from fmq.runs import make_run

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
        bool, typer.Option("--one-step", help="Also the one-step map, by torch.export.")
    ] = False,
    settings: Settings = None,
    results: Results = RESULTS,
) -> None:
    """Take the last policy of a run out of the study, into a folder of its own."""
    from fmq.export.exporting import export_run
    from fmq.runs import make_run

    card = export_run(make_run(load(settings, results), task, seed, run), results, to, one_step)
    scores = [f"{score.success:.0%} by {name}" for name, score in card.scores.items()]
    told = ", ".join(scores) or "not evaluated"
    typer.echo(f"{to}: {run} of {task}, seed {seed}; success {told}; `fmq play {to}` runs it")


@app.command()
def import_jax(
    file: Annotated[Path, typer.Argument(help="E.g. params_online_sd000.pkl.")],
    task: Annotated[str, typer.Option(help="The task that the policy was trained on.")],
    to: PolicyFolder,
    settings: Settings = None,
    results: Results = RESULTS,
) -> None:
    """Turn a checkpoint of the paper's authors into a policy folder; nothing in it is executed."""
    from fmq.export.importing import import_jax as read

    for line in read(file, load(settings, results), task, to):
        typer.echo(line)


@app.command()
def play(
    folder: Annotated[Path, typer.Argument(help="Of an exported policy.")],
    episodes: Annotated[int, typer.Option(min=1, help="Number of episodes.")] = 10,
    sampler: Annotated[
        str | None, typer.Option(help="How to act, e.g. qgbs; the policy's own unless given.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the starts and of the noise.")] = 0,
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
        int | None, typer.Option(min=1, help="As for snakemake; all there are unless given.")
    ] = None,
) -> None:
    """Tell a study's jobs, steps, disk and hours on this machine, from a short measurement."""
    from fmq.configuration import load_study
    from fmq.planning.plan import make_plan
    from fmq.planning.report import as_text

    typer.echo(as_text(make_plan(load_study(*settings), cores)))


@app.command()
def status(
    watch: Annotated[bool, typer.Option("--watch", help="Again every few seconds.")] = False,
    json: Annotated[bool, typer.Option("--json", help="For programs: docs/status.md.")] = False,
    settings: Settings = None,
    results: Results = RESULTS,
) -> None:
    """Tell what is done, running, waiting and failed; reads files alone."""
    from fmq.status.show import show

    show(settings or paths.settings_file(results), results, json, watch)


app.add_typer(evidence)


def main() -> None:
    """Entry point: what the user can mend comes as one line, and exit code 2."""
    # The simulators' linear algebra rounds differently with another number of threads, so that the
    # same seed would make other data. torch's own threads are a setting, `threads`.
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
        told = f"{place}{error.strerror}; make room, or see to the right to write there"
        print(f"fmq: {told}, and give the command again", file=sys.stderr)
        raise SystemExit(2) from None
    except Preempted:
        print("fmq: stopped as asked; the same command goes on from here", file=sys.stderr)
        raise SystemExit(STOPPED) from None
