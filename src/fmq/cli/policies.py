"""Commands for single policies: export one, import one, and watch one act."""

from pathlib import Path
from typing import Annotated

import typer

from fmq.cli.options import POLICIES, RESULTS, PolicyFolder, Results, Seed, Settings, TaskName, load

app = typer.Typer()


@app.command(rich_help_panel=POLICIES)
def export(
    task: TaskName,
    seed: Seed,
    run: Annotated[str, typer.Option(help="A run's folder name, e.g. finetune-fmq.")],
    to: PolicyFolder,
    one_step: Annotated[
        bool, typer.Option("--one-step", help="Also export the one-step map with torch.export.")
    ] = False,
    film: Annotated[
        bool, typer.Option("--film", help="Also run some episodes, and add a film of them.")
    ] = False,
    settings: Settings = None,
    results: Results = RESULTS,
) -> None:
    """Export the last policy of a run to a folder that works without the study."""
    from fmq.export.exporting import export_run
    from fmq.pipeline.runs import make_run

    made = make_run(load(settings, results), task, seed, run)
    card = export_run(made, results, to, one_step, film)
    scores = [f"{score.success:.0%} by {name}" for name, score in card.scores.items()]
    told = ", ".join(scores) or "not evaluated"
    typer.echo(f"{to}: {run} of {task}, seed {seed}; success {told}; `fmq play {to}` runs it")


@app.command(rich_help_panel=POLICIES)
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


@app.command(rich_help_panel=POLICIES)
def play(
    policy: Annotated[
        str,
        typer.Argument(help="Folder of an exported policy, or its USER/NAME on the Hub."),
    ],
    episodes: Annotated[int, typer.Option(min=1, help="Number of episodes.")] = 10,
    sampler: Annotated[
        str | None, typer.Option(help="Sampler, e.g. qgbs; by default the policy's own.")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the initial states and of the noise.")
    ] = 0,
    revision: Annotated[
        str | None, typer.Option(help="Branch, tag or commit of a policy on the Hub.")
    ] = None,
    film: Annotated[
        Path | None, typer.Option(help="Also write a film of the episodes, e.g. film.gif.")
    ] = None,
    results: Results = RESULTS,
) -> None:
    """Run episodes of an exported policy in its task's simulator."""
    from fmq.export.hub import local_policy
    from fmq.export.playing import play as run_episodes
    from fmq.export.playing import summary

    done = []
    folder = local_policy(policy, revision)
    for episode in run_episodes(folder, sampler, episodes, seed, results, film):
        done.append(episode)
        told = "success" if episode.success else "failure"
        typer.echo(f"{len(done)}: {told}, return {episode.return_:.1f}, length {episode.length}")
    typer.echo(summary(done))
