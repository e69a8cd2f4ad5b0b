"""The commands behind tables and figures: from a study's runs to what is shown of them."""

from pathlib import Path
from typing import Annotated

import typer

from fmq import paths
from fmq.cli_options import RESULTS, Method, Results, Seed, Settings, TaskName, load

app = typer.Typer()


@app.command()
def scores(settings: Settings = None, results: Results = RESULTS) -> None:
    """Gather every evaluation in results/scores.csv."""
    from fmq.analysis.scores import write_scores

    study = load(settings, results)
    write_scores(study, results / "runs", results / "scores.csv", _manifests(study, results))


@app.command()
def statistics(settings: Settings = None, results: Results = RESULTS) -> None:
    """Aggregate the scores, with bootstrap intervals."""
    from fmq.analysis.statistics import write_statistics

    study = load(settings, results)
    folder = results / "statistics"
    write_statistics(study, results / "scores.csv", folder, _manifests(study, results))


@app.command()
def tables(settings: Settings = None, results: Results = RESULTS) -> None:
    """Write the tables as LaTeX, CSV and Markdown."""
    from fmq.analysis.tables import write_tables

    study = load(settings, results)
    inputs = (results / "scores.csv", results / "statistics", _manifests(study, results))
    write_tables(study, *inputs, results / "tables")


@app.command()
def figures(settings: Settings = None, results: Results = RESULTS) -> None:
    """Draw the figures as PDF and PNG."""
    from fmq.analysis.figures import write_figures

    study = load(settings, results)
    inputs = (results / "scores.csv", results / "statistics", _manifests(study, results))
    write_figures(study, *inputs, results / "figures")


@app.command()
def ablations(settings: Settings = None, results: Results = RESULTS) -> None:
    """Compare FMQ with its ablations: tables and a figure."""
    from fmq.analysis.ablations import write_ablations

    study = load(settings, results)
    folder = results / "ablations"
    write_ablations(study, results / "runs", _manifests(study, results), folder)


@app.command()
def theory(
    task: TaskName, seed: Seed, settings: Settings = None, results: Results = RESULTS
) -> None:
    """Measure Theorem 3.2 and its assumptions on the networks of a task and seed."""
    from fmq.theory.measure import measure_theory

    measure_theory(load(settings, results), task, seed, results)


@app.command()
def theory_report(settings: Settings = None, results: Results = RESULTS) -> None:
    """Write what `fmq theory` measured as tables and figures."""
    from fmq.analysis.theory import write_theory

    study = load(settings, results)
    write_theory(study, results, _manifests(study, results), results / "theory")


@app.command()
def inference(
    task: TaskName, seed: Seed, settings: Settings = None, results: Results = RESULTS
) -> None:
    """Count and time what each sampler evaluates to act."""
    from fmq.inference import write_inference

    write_inference(load(settings, results), task, seed, results)


@app.command()
def inference_report(settings: Settings = None, results: Results = RESULTS) -> None:
    """Compare what samplers cost with the success that they have: a table and a figure."""
    from fmq.analysis.inference import write_inference_report

    study = load(settings, results)
    folder = results / "inference"
    write_inference_report(study, results / "runs", _manifests(study, results), folder)


@app.command()
def convergence(settings: Settings = None, results: Results = RESULTS) -> None:
    """Compare how soon FMQ and MVP reach levels of MVP's best success."""
    from fmq.analysis.convergence_report import write_convergence

    study = load(settings, results)
    inputs = (results / "scores.csv", results / "runs", _manifests(study, results))
    write_convergence(study, *inputs, results / "convergence")


@app.command()
def trust_region(settings: Settings = None, results: Results = RESULTS) -> None:
    """Hold the drift from the offline policy against FMQ's trust region."""
    from fmq.analysis.trust_region import write_trust_region

    study = load(settings, results)
    folder = results / "trust_region"
    write_trust_region(study, results / "runs", _manifests(study, results), folder)


@app.command()
def rollouts(
    task: TaskName,
    seed: Seed,
    method: Method,
    settings: Settings = None,
    results: Results = RESULTS,
) -> None:
    """Run a method's last evaluation again, and record some of its episodes."""
    from fmq.rollouts.recording import record_rollouts

    record_rollouts(load(settings, results), task, seed, method, results)


@app.command()
def film(
    task: TaskName,
    seed: Seed,
    method: Method,
    settings: Settings = None,
    results: Results = RESULTS,
) -> None:
    """Film recorded episodes, where pictures can be drawn: a GIF and a contact sheet."""
    from fmq.rollouts.film import write_film

    write_film(load(settings, results), task, seed, method, results)


@app.command()
def trajectories(
    task: TaskName, seed: Seed, settings: Settings = None, results: Results = RESULTS
) -> None:
    """Draw the ways of recorded episodes through a maze, from above."""
    from fmq.rollouts.trajectories import write_trajectories

    write_trajectories(load(settings, results), task, seed, results)


@app.command()
def paper(settings: Settings = None, results: Results = RESULTS) -> None:
    """Set all tables and figures in one document."""
    from fmq.analysis.paper import write_paper

    study = load(settings, results)
    write_paper(study, results, _manifests(study, results))


@app.command()
def page(
    source: Annotated[Path, typer.Argument(help="A table as Markdown.")],
    target: Annotated[Path, typer.Argument(help="The page to write.")],
) -> None:
    """Set a table as a page of the report."""
    from fmq.analysis.pages import write_page

    write_page(source, target)


@app.command()
def settings_page(
    target: Annotated[Path, typer.Argument(help="The page to write.")],
    settings: Settings = None,
    results: Results = RESULTS,
) -> None:
    """Set all settings as a page of the report."""
    from fmq.analysis.pages import write_settings_page

    study = load(settings, results)
    write_settings_page(study, _manifests(study, results), target)


def _manifests(study, results: Path) -> list[Path]:  # type: ignore[no-untyped-def]
    return [paths.manifest_file(results, name) for name in study.dataset_names()]
