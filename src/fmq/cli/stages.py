"""Commands that make the parts of a study: data sets, runs and evaluations."""

from typing import Annotated

import typer

from fmq.cli.options import (
    RESULTS,
    Method,
    Results,
    Seed,
    Seeds,
    Settings,
    TaskName,
    distinct,
    load,
    runs_of,
)

app = typer.Typer()


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
def policy(
    task: TaskName,
    seed: Seed,
    source: Annotated[str, typer.Option(help="Published policies, e.g. flow-map-policies.")],
    settings: Settings = None,
    results: Results = RESULTS,
) -> None:
    """Copy or download a policy that others published."""
    from fmq.export.policy_files import fetch_policy

    fetch_policy(load(settings, results), source, task, seed, results)


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
