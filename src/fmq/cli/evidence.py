"""Commands that turn a study's runs into scores, tables, figures and reports."""

from pathlib import Path
from typing import Annotated

import typer

from fmq.cli.options import LOOK, RESULTS, Method, Results, Seed, Settings, TaskName, load

app = typer.Typer()


@app.command()
def scores(settings: Settings = None, results: Results = RESULTS) -> None:
    """Collect every evaluation in the study's scores.csv."""
    from fmq.analysis.inputs.scores import write_scores

    write_scores(*_inputs(settings, results))


@app.command()
def statistics(settings: Settings = None, results: Results = RESULTS) -> None:
    """Aggregate the scores, with bootstrap confidence intervals."""
    from fmq.analysis.statistics.aggregates import write_statistics

    study, _, folder, manifests = _inputs(settings, results)
    write_statistics(study, folder, manifests)


@app.command()
def tables(settings: Settings = None, results: Results = RESULTS) -> None:
    """Write the tables as LaTeX, CSV and Markdown."""
    from fmq.analysis.tables.comparison import write_tables

    study, _, folder, manifests = _inputs(settings, results)
    write_tables(study, folder, manifests)


@app.command()
def figures(settings: Settings = None, results: Results = RESULTS) -> None:
    """Draw the figures as PDF and PNG."""
    from fmq.analysis.figures.comparison import write_figures

    study, _, folder, manifests = _inputs(settings, results)
    write_figures(study, folder, manifests)


@app.command(rich_help_panel=LOOK)
def show(settings: Settings = None, results: Results = RESULTS) -> None:
    """Copy the study's scores, tables and figures to the results folder, replacing earlier ones."""
    from fmq.pipeline.shown import show as copy

    copy(load(settings, results), results)


@app.command()
def ablations(settings: Settings = None, results: Results = RESULTS) -> None:
    """Write tables and a figure that compare FMQ with its ablations."""
    from fmq.analysis.evidence.ablations import write_ablations

    write_ablations(*_inputs(settings, results))


@app.command()
def theory(
    task: TaskName, seed: Seed, settings: Settings = None, results: Results = RESULTS
) -> None:
    """Test Theorem 3.2 and its assumptions numerically on the networks of a task and seed."""
    from fmq.theory.measure import measure_theory

    measure_theory(load(settings, results), task, seed, results)


@app.command()
def theory_report(settings: Settings = None, results: Results = RESULTS) -> None:
    """Write tables and figures of the measurements of `fmq theory`."""
    from fmq.analysis.evidence.theory import write_theory

    write_theory(*_inputs(settings, results))


@app.command()
def inference(task: TaskName, settings: Settings = None, results: Results = RESULTS) -> None:
    """Count and time the network evaluations of each sampler."""
    from fmq.acting.inference import write_inference

    write_inference(load(settings, results), task, results)


@app.command()
def inference_report(settings: Settings = None, results: Results = RESULTS) -> None:
    """Write a table and a figure that compare the cost of samplers with their success."""
    from fmq.analysis.evidence.inference import write_inference_report

    write_inference_report(*_inputs(settings, results))


@app.command()
def diagnose(
    task: TaskName, seed: Seed, settings: Settings = None, results: Results = RESULTS
) -> None:
    """Compare the critics of a task and seed, and what they recommend, with the simulator."""
    from fmq.acting.diagnosis import measure_diagnosis

    measure_diagnosis(load(settings, results), task, seed, results)


@app.command()
def diagnose_report(settings: Settings = None, results: Results = RESULTS) -> None:
    """Write tables and figures of the measurements of `fmq diagnose`."""
    from fmq.analysis.evidence.diagnosis import write_diagnosis

    write_diagnosis(*_inputs(settings, results))


@app.command()
def convergence(settings: Settings = None, results: Results = RESULTS) -> None:
    """Compare how fast FMQ and MVP reach fractions of MVP's best success."""
    from fmq.analysis.evidence.convergence_report import write_convergence

    study, _, folder, manifests = _inputs(settings, results)
    write_convergence(study, folder, manifests)


@app.command()
def trust_region(settings: Settings = None, results: Results = RESULTS) -> None:
    """Compare the drift from the offline policy with FMQ's trust region."""
    from fmq.analysis.evidence.trust_region import write_trust_region

    write_trust_region(*_inputs(settings, results))


@app.command()
def rollouts(
    task: TaskName,
    seed: Seed,
    method: Method,
    settings: Settings = None,
    results: Results = RESULTS,
) -> None:
    """Repeat a method's last evaluation and record some of its episodes."""
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
    """Render recorded episodes, where rendering works, as a GIF and a contact sheet."""
    from fmq.rollouts.film import write_film

    write_film(load(settings, results), task, seed, method, results)


@app.command()
def trajectories(
    task: TaskName, seed: Seed, settings: Settings = None, results: Results = RESULTS
) -> None:
    """Draw the trajectories of recorded episodes through a maze, from above."""
    from fmq.rollouts.trajectories import write_trajectories

    write_trajectories(load(settings, results), task, seed, results)


@app.command()
def paper(settings: Settings = None, results: Results = RESULTS) -> None:
    """Write all tables and figures as one document."""
    from fmq.analysis.evidence.paper import write_paper

    study, _, folder, manifests = _inputs(settings, results)
    write_paper(study, folder, manifests)


@app.command()
def page(
    source: Annotated[Path, typer.Argument(help="Table in Markdown.")],
    target: Annotated[Path, typer.Argument(help="Page to write.")],
) -> None:
    """Write a table as a page of the report."""
    from fmq.analysis.tables.pages import write_page

    write_page(source, target)


@app.command()
def settings_page(
    target: Annotated[Path, typer.Argument(help="Page to write.")],
    settings: Settings = None,
    results: Results = RESULTS,
) -> None:
    """Write all settings as a page of the report."""
    from fmq.analysis.tables.pages import write_settings_page

    study, _, _, manifests = _inputs(settings, results)
    write_settings_page(study, manifests, target)


@app.command()
def summary_page(
    target: Annotated[Path, typer.Argument(help="Page to write.")],
    settings: Settings = None,
    results: Results = RESULTS,
) -> None:
    """Write what the study comes to as the first page of the report."""
    from fmq.analysis.tables.pages import write_summary_page

    study, _, folder, _ = _inputs(settings, results)
    write_summary_page(study, folder, target)


def _inputs(settings: Path | None, results: Path):  # type: ignore[no-untyped-def]
    """Return the study, the results, the study's folder, and the manifests of its data sets."""
    from fmq.pipeline.analyses import manifest_files
    from fmq.pipeline.studies import study_folder

    study = load(settings, results)
    return study, results, study_folder(study, results), manifest_files(study, results)
