"""Made-up runs, from their episodes to scores, statistics, tables and a page of LaTeX."""

import json
import subprocess
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from fmq.analysis.inputs.evaluations import EVALUATION, evaluation_files, run_stage
from fmq.analysis.inputs.scores import comparison_rows, write_scores
from fmq.analysis.statistics.aggregates import write_statistics
from fmq.analysis.tables.comparison import write_tables
from fmq.config.ablations import base_name
from fmq.config.datasets import training_file
from fmq.config.reading import study_from_dict
from fmq.config.study import Study
from fmq.pipeline.evaluations import evaluation_settings
from fmq.pipeline.identity import settings_hash
from fmq.pipeline.paths import evaluation_file, run_folder
from fmq.pipeline.runs import Run, make_run
from fmq.pipeline.variants import ablation_rows

TASK2, TASK4 = (f"pointmaze-medium-navigate-singletask-task{n}-v0" for n in (2, 4))
CHANCE = {  # of success, offline and online: made up
    "fmq": (0.5, 0.95),
    "mvp": (0.5, 0.7),
    "qc": (0.4, 0.6),
    "mvp-no-new-data": (0.5, 0.5),
}


def make_study(**changes: object) -> Study:
    """The default study with a short budget and few resamples."""
    values = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text())
    values["name"] = "made-up-test-data"
    values["evaluation"] |= {"episodes": 20, "environments": 5}
    values["statistics"]["resamples"] = 200
    values["offline"] |= {"steps": 10_000, "warmup_steps": 1000, "anneal_end": 5000}
    values["offline"]["evaluate_every"] = 5000
    values["online"] |= {"steps": 8000, "evaluate_every": 2000}
    return study_from_dict(values | changes, "test")


def evaluation_rows(run: Run, sampler: str, steps: Iterable[int]) -> pd.DataFrame:
    """Return episodes whose chance of success grows with the step."""
    study, task, stage = run.study, run.task.name, run_stage(run)
    method = base_name(run.kind) if stage == "online" else "fmq"
    generator = np.random.default_rng([run.seed, *map(ord, task + run.name + sampler)])
    start, end = CHANCE[method]
    rows = []
    for step in steps:
        done = step / run.last_step
        chance = start * done if stage == "offline" else start + (end - start) * done
        successes = generator.random(study.evaluation.episodes) < chance
        for episode, success in enumerate(successes):
            length = int(generator.integers(50, 400)) if success else 1000
            place = (task, run.name, sampler, run.seed, stage, step, episode)
            values = (*place, int(success), -length, length)
            rows.append(dict(zip(EVALUATION, values, strict=True)))
    return pd.DataFrame(rows, columns=list(EVALUATION))


def data_record(run: Run) -> dict[str, Any]:
    """Return the bytes that a run learned from, as in the `manifest` below."""
    return {"dataset": {training_file(run.task.dataset): "0" * 64}}


def write_run_record(results: Path, run: Run) -> None:
    """Write what a run's folder says of it, and its parents' folders of them."""
    folder = run_folder(run, results)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.json").write_text(json.dumps({"hash": run.digest}))
    (folder / "provenance.json").write_text(json.dumps(data_record(run)))
    if run.parent is not None:
        write_run_record(results, run.parent)


def write_runs(study: Study, results: Path) -> None:
    """Write every evaluation file that the scores are made of, and its records."""
    for task, seed, (method, sampler) in product(study.tasks, study.seeds, comparison_rows(study)):
        for name in filter(None, (study.offline_run(method), f"finetune-{method}")):
            run = make_run(study, task, seed, name)
            write_last(results, run, sampler)
            for file in evaluation_files(results, run, sampler)[1:]:
                evaluation_rows(run, sampler, file.steps).to_csv(file.path, index=False)


def write_last(results: Path, run: Run, sampler: str) -> None:
    """Write episodes of a run's last checkpoint, and the record beside them."""
    write_run_record(results, run)
    path = evaluation_file(run, sampler, results)
    evaluation_rows(run, sampler, [run.last_step]).to_csv(path, index=False)
    rests_on = {"hash": settings_hash(evaluation_settings(run, sampler))} | data_record(run)
    path.with_suffix(".json").write_text(json.dumps(rests_on))


def write_ablation_runs(study: Study, results: Path) -> None:
    """Write the evaluations of all ablations."""
    for row, task, seed in product(ablation_rows(study), study.tasks, study.seeds):
        write_last(results, make_run(study, task, seed, row.run), row.sampler)


def analyse(study: Study, results: Path, folder: Path, manifests: Sequence[Path] = ()) -> Path:
    """Write what `fmq scores`, `statistics` and `tables` write into `folder`, and return it."""
    write_scores(study, results, folder, manifests)
    write_statistics(study, folder, manifests)
    write_tables(study, folder, manifests)
    return folder


def set_latex(folder: Path, *tables: Path) -> str:
    """Set an article of `tables` with a real LaTeX in `folder`, and return what it says.

    It has the packages that the first lines of the tables ask for, and no others.
    """
    packages = dict.fromkeys(
        line.removeprefix("% ")
        for line in (table.read_text().splitlines()[0] for table in tables)
        if line.startswith(r"% \usepackage")
    )
    inputs = "".join(rf"\input{{{table}}}\clearpage" for table in tables)
    (folder / "paper.tex").write_text(
        rf"\documentclass{{article}}{''.join(packages)}\begin{{document}}{inputs}\end{{document}}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout
