"""The whole workflow on the smoke study: real data, training, simulators, statistics, LaTeX."""

import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from helpers.workflows import Project, unaddressed

from fmq.analysis.evidence.paper import PARTS
from fmq.pipeline.studies import study_sha256

ROOT = Path(__file__).parents[2]
TASK2, TASK4 = (f"pointmaze-medium-navigate-singletask-task{n}-v0" for n in (2, 4))
OTHER = "statistics: {resamples: 300}"
"""Another study of the same runs."""
TABLE = "results/tables/main.md"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The smoke study of one task, run once."""
    project = Project(tmp_path_factory.mktemp("project"))
    with (project.folder / "config" / "smoke.yaml").open("a") as smoke:
        smoke.write(f"tasks: [{TASK4}]\n")
    project.make("{}")
    return project


def runs_in(files: set[str]) -> set[str]:
    """Files in run folders, without where these are and without identities."""
    start = "results/runs/"
    return {unaddressed(file).removeprefix(start) for file in files if file.startswith(start)}


def show(project: Project, text: str) -> bytes:
    """Have a study shown, unless it is, and return its table."""
    if shown(project) != text:
        project.make(text)
    return (project.folder / TABLE).read_bytes()


def shown(project: Project) -> str | None:
    """Which of the two studies the table is of, by its own words; None where there is none."""
    try:
        table = (project.folder / TABLE).read_text()
    except FileNotFoundError:
        return None
    texts = (text for text in ("{}", OTHER) if study_sha256(project.study(text)) in table)
    return next(texts, None)


def test_every_promised_output_is_there(project: Project) -> None:
    results = project.folder / "results"
    for name in ("main", "length"):
        for suffix in ("tex", "md", "csv"):
            assert (results / "tables" / f"{name}.{suffix}").stat().st_size > 100
    for suffix in ("tex", "md"):
        text = (results / "tables" / f"comparisons.{suffix}").read_text()
        assert "so that there is no interval and no spread" in text
    for name in ("learning_curves", "aggregates", "profiles", "improvement"):
        assert (results / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (results / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_scores_hold_every_method_sampler_and_evaluation(project: Project) -> None:
    scores = pd.read_csv(project.folder / "results" / "scores.csv")
    columns = "task,method,sampler,seed,stage,step,success,return,length,episodes"
    assert list(scores.columns) == columns.split(",")
    assert set(scores.task) == {TASK4}
    rows = {(row.method, row.sampler) for row in scores.itertuples()}
    assert rows == {
        ("fmq", "best_of_n"),
        ("fmq", "qgbs"),
        ("mvp", "best_of_n"),
        ("mvp", "qgbs"),
        ("mvp-no-new-data", "best_of_n"),
        ("qc", "best_of_n_euler"),
    }
    own = scores[(scores.method == "fmq") & (scores.sampler == "best_of_n")]
    assert list(zip(own.stage, own.step, strict=True)) == [
        ("offline", 20),
        ("offline", 40),
        ("online", 20),
        ("online", 40),
        ("online", 60),
    ]
    assert (scores.episodes == 4).all()


def test_generated_data_is_named_as_such_in_every_table(project: Project) -> None:
    for file in ("tables/main.tex", "tables/main.md", "scores.csv-metadata.json"):
        assert (
            "generated here, not the official data set"
            in (project.folder / "results" / file).read_text()
        )


@pytest.mark.slow
def test_convergence_and_trust_region_are_made_on_request(project: Project) -> None:
    results = project.folder / project.study_folder()
    targets = ("convergence", "trust_region")
    assert not any((results / name).exists() for name in targets)
    project.make("{}", "--", *targets)
    convergence = pd.read_csv(results / "convergence" / "steps.csv")
    assert TASK4 in set(convergence.task)
    # Nothing is learned in so few steps.
    assert set(convergence.state) == {"no level"}
    drift = pd.read_csv(results / "trust_region" / "trust_region.csv")
    assert len(drift) == 3
    assert (drift.drift > 0).all()
    assert (drift.radius_squared > 0).all()
    for name in ("convergence/convergence", "trust_region/trust_region"):
        assert (results / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    assert project.rules("{}", "--", *targets) == set()


def test_without_snakemakes_records_a_changed_setting_is_what_is_shown(project: Project) -> None:
    shutil.rmtree(project.folder / ".snakemake")
    project.make(OTHER)
    assert shown(project) == OTHER


def test_going_back_shows_again_and_makes_nothing(project: Project) -> None:
    show(project, OTHER)
    first = project.folder / project.study_folder() / "tables" / "main.md"
    made = first.read_bytes(), first.stat().st_mtime_ns
    assert project.rules("{}") == {"show"}
    assert show(project, "{}") == made[0]
    assert (first.read_bytes(), first.stat().st_mtime_ns) == made


def test_a_single_table_is_that_of_the_study_that_asks(project: Project) -> None:
    show(project, "{}")
    project.make(OTHER, "--", "results/tables/main.tex")
    assert shown(project) == OTHER


def test_touching_makes_no_table_appear_as_anothers(project: Project) -> None:
    """Neither of a study that was made before, nor of one that was not."""
    show(project, OTHER)
    for text in ("{}", "fmq: {eta: 0.5}"):
        project.make(text, "--touch")
        assert shown(project) is None
    assert {"finetune", "tables", "show"} <= project.rules("fmq: {eta: 0.5}")


def test_what_was_touched_is_not_made_again(project: Project) -> None:
    show(project, "{}")
    results = project.folder / "results"
    for files in (results.glob("datasets/*/*"), sorted(results.rglob("*"), reverse=True)):
        for file in files:
            file.touch()
        assert project.planned() == set()


def test_copied_results_are_complete_whatever_their_dates(project: Project, tmp_path: Path) -> None:
    show(project, "{}")
    copy = Project(tmp_path)
    for name in ("config", "results"):
        shutil.copytree(project.folder / name, tmp_path / name, dirs_exist_ok=True)
    dates = random.Random(0)
    for file in (tmp_path / "results").rglob("*"):
        os.utime(file, (date := dates.randrange(10**9), date))
    assert copy.planned() == set()
    told = copy.shell("fmq status").stdout
    assert "0 running, 0 waiting, 0 failed" in told, told


def test_editing_a_comment_reruns_nothing(project: Project) -> None:
    show(project, "{}")
    for name in (
        "src/fmq/method/flow.py",
        "src/fmq/training/online.py",
        "workflow/rules/online.smk",
    ):
        path = project.folder / name
        path.write_text(path.read_text() + "\n# another comment\n")
    assert project.planned() == set()


@pytest.mark.slow
def test_other_processes_for_simulators_rerun_nothing(project: Project) -> None:
    show(project, "{}")
    assert project.planned("evaluation: {processes: 2}") == set()


def test_a_tasks_setting_reruns_that_task_alone(project: Project) -> None:
    for task, tasks in ((TASK4, [TASK4]), (TASK2, [TASK4, TASK2])):
        settings = f"task_settings: {{{task}: {{discount: 0.98}}}}"
        planned = project.planned(f"tasks: [{', '.join(tasks)}]\n{settings}")
        assert {file.split("/")[0] for file in runs_in(planned)} == {task}
        assert {file.split("/")[2] for file in runs_in(planned)} >= {
            "pretrain-full",
            "distill-esd",
            "finetune-fmq",
        }
    assert not any("datasets" in file for file in planned)


@pytest.mark.parametrize(
    ("change", "runs"),
    [
        ("fmq: {eta: 0.5}", {"finetune-fmq"}),
        *(
            pytest.param(change, set(), marks=pytest.mark.slow)
            for change in (
                *("sampling: {qgbs_eta: 0.1}", "device: cpu", "published: true"),
                "statistics: {resamples: 400}",
            )
        ),
    ],
)
def test_a_setting_reruns_what_it_shapes_and_leaves_all_that_is_there(
    project: Project, change: str, runs: set[str]
) -> None:
    """Captions name the settings, so that tables are made anew for each of them."""
    planned = project.planned(change)
    trained = {
        Path(file).parent.name for file in runs_in(planned) if file.endswith("checkpoint.pt")
    }
    assert trained == runs
    folder = project.study_folder(change)
    made = {f"{folder}/{name}" for name in ("scores.csv", "tables/main.tex", "pages/settings.html")}
    assert made <= planned
    addressed = [file for file in planned if re.search(r"-[0-9a-f]{8}/", file)]
    assert [file for file in addressed if (project.folder / file).exists()] == []


def test_a_path_of_another_study_is_no_target_of_this_one(project: Project) -> None:
    """Snakemake would delete what is there before a job makes something else."""
    runs = project.folder / f"results/runs/{TASK4}/seed0"
    own = next(runs.glob("finetune-fmq-*")).relative_to(project.folder)
    run = f"results/runs/{TASK4}/seed0/finetune-fmq-0123abcd/checkpoint.pt"
    for target in (run, f"{own}/evaluate-qgbs-0123abcd.csv", f"{own}/rollouts-0123abcd.npz"):
        plan = project.snakemake("--dry-run", *project.overlay("{}"), "--", target)
        assert plan.returncode != 0
        assert "MissingRuleException" in plan.stdout + plan.stderr


def test_a_dry_run_imports_no_torch(project: Project) -> None:
    program = (
        "import sys\n"
        "from snakemake.cli import main\n"
        "try:\n    main(['--dry-run', '--quiet', 'all', '--cores', '2'])\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "assert 'fmq.config.study' in sys.modules\n"
        "heavy = {'torch', 'ogbench', 'gymnasium', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=project.folder,
        env=os.environ | {"PYTHONPATH": str(project.folder / "src")},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr


def test_a_bad_setting_is_one_line_and_makes_nothing(tmp_path: Path) -> None:
    """Which settings are bad, and what is told of them: tests/config/test_study.py."""
    project = Project(tmp_path)
    result = project.snakemake(*project.overlay("online: {stepz: 1}"))
    assert result.returncode != 0
    told = [line for line in result.stderr.splitlines() if line.startswith("fmq: ")]
    assert len(told) == 1
    assert "online.stepz" in told[0]
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_the_theorem_is_checked_on_request(project: Project) -> None:
    results = project.folder / project.study_folder() / "theory"
    assert not results.exists()
    project.make("{}", "--", "theory")
    for name in ("optimum", "first_order", "map", "improvement"):
        assert set(pd.read_csv(results / f"{name}.csv").task) == {TASK4}
        assert (results / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    assert (pd.read_csv(results / "optimum.csv").holds == 1).all()
    for change, rules in (
        ("{}", set()),
        ("fmq: {eta: 0.5}", {"finetune", "measure_theory", "theory_report", "theory"}),
        ("statistics: {resamples: 400}", {"theory_report", "theory"}),
    ):
        assert project.rules(change, "--", "theory") == rules


@pytest.mark.slow
def test_the_critics_are_examined_on_request(project: Project) -> None:
    results = project.folder / project.study_folder() / "diagnosis"
    assert not results.exists()
    project.make("{}", "--", "diagnose")
    assert set(pd.read_csv(results / "diagnosis.csv").task) == {TASK4}
    for name in ("calibration", "branches"):
        assert (results / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    for change, rules in (
        ("{}", set()),
        ("fmq: {eta: 0.5}", {"finetune", "measure_diagnosis", "diagnose"}),
        ("statistics: {resamples: 400}", {"diagnose"}),
    ):
        assert project.rules(change, "--", "diagnose") == rules


def test_the_document_asks_for_nothing_that_no_rule_makes(project: Project) -> None:
    folder, planned = project.study_folder(), project.planned("{}", "--", "paper")
    for part in PARTS:
        files = [f"{name}.tex" for name in part.tables] + [f"{name}.pdf" for name in part.figures]
        for file in (str(folder / name) for name in files):
            assert file in planned or (project.folder / file).exists()


@pytest.mark.slow
def test_episodes_are_shown_on_request(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "disabled")  # so that it is the same on every machine

    def page(change: str) -> str:
        return f"{project.study_folder(change)}/rollouts/{TASK4}/fmq.html"

    project.make("{}", "--", page("{}"))
    text = (project.folder / page("{}")).read_text()
    assert "Episodes 0, 1, 2 of the evaluation of the last checkpoint" in text
    assert "all 4 match the counted ones" in text
    assert "apt-get install libosmesa6" in text
    # Four methods, and the maze from above.
    table = project.plan("{}", "--", "rollouts")
    for rule, jobs in (("record_rollouts", 3), ("film_rollouts", 3), ("trajectories", 1)):
        assert re.search(rf"^{rule} +{jobs}$", table, re.MULTILINE), table
    for change, rules in (
        ("{}", set()),
        ("rollouts: {episodes: [3]}", {"record_rollouts", "film_rollouts"}),
        ("statistics: {resamples: 400}", {"film_rollouts"}),
    ):
        assert project.rules(change, "--", page(change)) == rules


def test_the_report_shows_tables_and_figures_in_one_file(project: Project) -> None:
    report = project.folder / "results" / "report.html"
    result = project.snakemake(*project.overlay("{}"), "--report", str(report))
    assert result.returncode == 0, result.stdout + result.stderr
    text = report.read_text()
    for name in ("tables-main.html", "settings.html", "learning_curves.png", "improvement.png"):
        assert name in text
    opening = text.partition('<script id="workflow-desc">')[2].partition("</script>")[0]
    assert "Study smoke: the result in brief" in opening
    # Nothing is fetched: whatever is shown is inside.
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=[\"']?https?:", text)


@pytest.mark.slow
def test_a_report_of_another_study_is_refused(project: Project) -> None:
    report = project.folder / "results" / "other.html"
    result = project.snakemake(*project.overlay("fmq: {eta: 0.5}"), "--report", str(report))
    assert result.returncode != 0
    assert not report.exists()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium here")
def test_a_browser_without_a_network_shows_the_report(project: Project, tmp_path: Path) -> None:
    report = project.folder / "results" / "report.html"
    if not report.exists():
        project.snakemake(*project.overlay("{}"), "--report", str(report))
    log = tmp_path / "net.json"
    command = [
        *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
        *("--virtual-time-budget=5000", "--disable-background-networking"),
        *("--host-resolver-rules=MAP * ~NOTFOUND", f"--log-net-log={log}", report.as_uri()),
    ]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert "Study smoke: the result in brief" in shown.stdout
    for category in ("tables", "figures", "settings"):
        assert re.search(rf">\s*{category}\s*<", shown.stdout)
    asked = set(re.findall(r'"url":"(https?://[^"]+)"', log.read_text()))
    own = ("google", "gvt1")  # what the browser asks for itself
    assert not {url for url in asked if not any(name in url for name in own)}, asked
