"""The parts of the graph that are made from all runs of a study, in the study's folder.

These are the scores, tables and figures of `snakemake all` and the films of `snakemake rollouts`.
Of the other analyses, whose outputs are in `workflow/rules`, the inputs are here.
"""

from collections.abc import Iterable
from pathlib import Path

from fmq.config.study import Study
from fmq.config.tasks import is_maze
from fmq.pipeline.graph import runs_named
from fmq.pipeline.measured import RECORD
from fmq.pipeline.parts import (
    Part,
    cost_parts,
    dataset_parts,
    diagnosis_parts,
    recording_part,
    theory_parts,
)
from fmq.pipeline.paths import MANIFEST, data_folder, evaluation_file, manifest_file, run_folder
from fmq.pipeline.rollouts import film_folder, shown_seed
from fmq.pipeline.runs import EVALUATIONS, Run, make_run
from fmq.pipeline.variants import ablated, by_run, flow_map_methods, inference_rows, score_rows

SCORES = ("scores.csv", "scores.csv-metadata.json")
STATISTICS = tuple(
    f"statistics/{name}.csv{suffix}"
    for name in ("aggregates", "comparisons", "improvement", "profiles", "task_means")
    for suffix in ("", "-metadata.json")
)
_SUFFIXES = ("tex", "md", "csv", "csv-metadata.json")
TABLES = (
    *(f"tables/{name}.{suffix}" for name in ("main", "length") for suffix in _SUFFIXES),
    *("tables/comparisons.tex", "tables/comparisons.md"),
)
REPORTED = tuple(f"tables/reported.{suffix}" for suffix in _SUFFIXES)
"""The table that a study has with the setting `published`."""
FIGURES = ("learning_curves", "aggregates", "profiles", "improvement")
FIGURE_FILES = tuple(f"figures/{name}.{suffix}" for name in FIGURES for suffix in ("pdf", "png"))
SHOWN = (*SCORES, *TABLES, *FIGURE_FILES)
"""Files that `show` copies to the results folder; paths are relative to either folder."""
TABLE_PAGES = ("tables-main", "tables-length", "tables-comparisons")


def _reported(study: Study, *names: str) -> tuple[str, ...]:
    return names if study.published else ()


def table_files(study: Study) -> tuple[str, ...]:
    """Return the files of a study's tables, relative to its folder."""
    return (*TABLES, *_reported(study, *REPORTED))


def shown_files(study: Study) -> tuple[str, ...]:
    """Return the files of a study that `show` copies, relative to its folder."""
    return (*SHOWN, *_reported(study, *REPORTED))


def table_pages(study: Study) -> tuple[str, ...]:
    """Return the tables that the report shows without further targets, as FOLDER-NAME."""
    return (*TABLE_PAGES, *_reported(study, "tables-reported"))


def analyses(study: Study, folder: Path, results: Path) -> list[Part]:
    """Return the analyses of `snakemake all`, each after those that it needs.

    Args:
        study: settings of the study.
        folder: the study's folder (`fmq.pipeline.studies.study_folder`).
        results: folder with `runs/` and `datasets/`.
    """
    manifests = manifest_files(study, results)

    def part(name: str, inputs: Iterable[Path], outputs: Iterable[Path], rule: str = "") -> Part:
        log = folder / "logs" / f"{name}.txt"
        return Part(rule or name, folder / name, tuple(inputs), tuple(outputs), log)

    def within(*names: str) -> tuple[Path, ...]:
        return tuple(folder / name for name in names)

    def page(name: str) -> Part:
        table, html = within(f"{name.replace('-', '/')}.md", f"pages/{name}.html")
        return part(f"page-{name}", [table], [html], "page")

    scored = within("scores.csv", *STATISTICS)
    return [
        part("scores", [*manifests, *score_files(study, results)], within(*SCORES)),
        part("statistics", scored[:1], within(*STATISTICS)),
        part("tables", scored, within(*table_files(study))),
        part("figures", scored, within(*FIGURE_FILES)),
        *map(page, table_pages(study)),
        part(
            "summary-page",
            within(
                *("statistics/aggregates.csv", "statistics/comparisons.csv", "tables/main.md"),
                "figures/learning_curves.png",
            ),
            within("pages/summary.html"),
            "summary_page",
        ),
        part("settings-page", manifests, within("pages/settings.html"), "settings_page"),
        part("show", within(*shown_files(study)), (results / name for name in shown_files(study))),
    ]


def manifest_files(study: Study, results: Path) -> list[Path]:
    """Return the manifests of all data sets of a study."""
    return [part.outputs[0] for part in dataset_parts(study, results)]


def score_files(study: Study, results: Path) -> list[Path]:
    """Return the evaluations behind the scores: during training, and at its end with records."""
    rows = score_rows(study)
    names = dict.fromkeys(name for name, _ in rows)
    during = _run_files(study, names, EVALUATIONS, results)
    return [*during, *_evaluation_files(study, rows, results)]


def ablation_files(study: Study, results: Path) -> list[Path]:
    """Return the evaluations behind the ablations, with their records."""
    return _evaluation_files(study, ablated(study), results)


def inference_files(study: Study, results: Path) -> list[Path]:
    """Return the files with each task's inference costs, and the evaluations of their samplers."""
    costs = [part.place for part in cost_parts(study, results)]
    return _present(study, costs) + _evaluation_files(study, inference_rows(study), results)


def metrics_files(study: Study, results: Path) -> list[Path]:
    """Return the metrics.csv files of the fine-tuned flow maps."""
    names = (f"finetune-{method}" for method in flow_map_methods(study))
    return _run_files(study, names, "metrics.csv", results)


def theory_files(study: Study, results: Path) -> list[Path]:
    """Return the record that `fmq theory` writes for each task and seed."""
    return _present(study, [part.place / RECORD for part in theory_parts(study, results)])


def diagnosis_files(study: Study, results: Path) -> list[Path]:
    """Return the record that `fmq diagnose` writes for each task and seed."""
    return _present(study, [part.place / RECORD for part in diagnosis_parts(study, results)])


def _run_files(study: Study, names: Iterable[str], file: str, results: Path) -> list[Path]:
    return _present(study, [run_folder(run, results) / file for run in runs_named(study, names)])


def _evaluation_files(study: Study, rows: Iterable[tuple[str, str]], results: Path) -> list[Path]:
    """Return the last episodes and their records for each (run, sampler), task and seed.

    The record of existing episodes is requested even if it is missing: it is made then, and
    episodes without a record would be refused.
    """
    episodes = [
        evaluation_file(run, sampler, results)
        for name, samplers in by_run(rows).items()
        for run in runs_named(study, [name])
        for sampler in samplers
    ]
    files = _present(study, episodes)
    return [path for file in files for path in (file, file.with_suffix(".json"))]


def _present(study: Study, files: list[Path]) -> list[Path]:
    """Return the files; with `allow_missing`, only existing ones: nothing is run for the others."""
    return [file for file in files if not study.allow_missing or file.exists()]


def film_parts(study: Study, recordings: Iterable[Part], folder: Path, results: Path) -> list[Part]:
    """Return the films of recorded episodes, and the paths through mazes."""
    mazes = filter(is_maze, study.tasks)
    return [
        *(_film(part, folder, results) for part in recordings),
        *(_trajectories(study, task, folder, results) for task in mazes),
    ]


def _film(recording: Part, folder: Path, results: Path) -> Part:
    run = recording.run
    assert run is not None, "a recording is of a run"
    task, method = run.task.name, run.name.removeprefix("finetune-")
    place = film_folder(folder, task) / method
    return Part(
        "film_rollouts",
        place,
        inputs=(data_folder(run, results) / MANIFEST, recording.place),
        outputs=tuple(place.parent / f"{method}.{kind}" for kind in ("png", "html", "pdf")),
        log=folder / "logs" / f"film-{task}-{method}.txt",
        tasks=(task,),
    )


def _trajectories(study: Study, task: str, folder: Path, results: Path) -> Part:
    place = film_folder(folder, task) / "trajectories"
    manifest = manifest_file(study, study.task(task).dataset, results)
    recordings = (recording_part(run, results) for run in shown_runs(study, task, results))
    return Part(
        "trajectories",
        place,
        inputs=(manifest, *(part.place for part in recordings)),
        outputs=(place.with_suffix(".png"), place.with_suffix(".pdf")),
        log=folder / "logs" / f"trajectories-{task}.txt",
        tasks=(task,),
    )


def rollout_files(study: Study, folder: Path, results: Path) -> list[Path]:
    """Return all rollout files: a contact sheet and a page per method, and maps of mazes."""
    files: list[Path] = []
    for task in study.tasks:
        films = film_folder(folder, task)
        methods = [run.name.removeprefix("finetune-") for run in shown_runs(study, task, results)]
        files += [films / f"{name}.{kind}" for name in methods for kind in ("png", "html")]
        files += [films / "trajectories.png"] if is_maze(task) and methods else []
    return files


def shown_runs(study: Study, task: str, results: Path) -> list[Run]:
    """Return the runs whose episodes are shown; with `allow_missing`, only evaluated ones."""
    seed = shown_seed(study)
    runs = [make_run(study, task, seed, f"finetune-{method}") for method in study.methods]
    return [run for run in runs if _present(study, [evaluation_file(run, run.sampler, results)])]
