"""Test the graph of a study against Snakemake's own, and what is to be seen in it."""

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from itertools import chain, product
from pathlib import Path
from typing import NamedTuple

import pytest
from helpers.documents import blocks
from helpers.forking import forked

from fmq.analysis.inputs.evaluations import evaluation_files
from fmq.analysis.inputs.scores import comparison_rows
from fmq.config.reading import load_study
from fmq.config.study import Study
from fmq.pipeline.analyses import STATISTICS, score_files
from fmq.pipeline.parts import Part
from fmq.pipeline.resources import PRIORITIES
from fmq.pipeline.rules import RESULTS, Graph, graph_of
from fmq.pipeline.runs import make_run
from fmq.pipeline.studies import study_folder
from fmq.pipeline.variants import runs_of_method
from fmq.tools.plan.jobs import study_jobs


class Node(NamedTuple):
    """A job, as Snakemake tells it and as the graph has it."""

    rule: str
    inputs: frozenset[str]
    outputs: frozenset[str]
    log: str
    cores: int
    priority: int


def snakemake_nodes(
    root: Path, folder: Path, files: list[Path], targets: Iterable[str]
) -> set[Node]:
    """Jobs that Snakemake would run for the targets in an empty results folder."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile")]
    command += ["--directory", str(folder), "--dry-run", "--cores", "64"]
    result = subprocess.run(
        [*command, "--configfile", *map(str, files), "--", *targets],
        env=forked(root / "src"),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    told = (result.stdout + result.stderr).split("\nReasons:")[0]
    jobs = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)*)", told, re.MULTILINE)
    return {_told_node(rule, dict(re.findall(r"    (\w+): (.*)\n", body))) for rule, body in jobs}


def _told_node(rule: str, told: Mapping[str, str]) -> Node:
    inputs, outputs = (
        frozenset(filter(None, told.get(key, "").split(", "))) for key in ("input", "output")
    )
    asked = {file for file in inputs if "fmq-asked-for-" in file}  # `shown.later_than_others`
    return Node(
        rule,
        inputs - asked,
        outputs,
        told.get("log", ""),
        int(told.get("threads", 1)),
        int(told.get("priority", 0)),
    )


def graph_nodes(graph: Graph) -> set[Node]:
    """Jobs of the graph: parts with the same log, taken together."""
    groups: dict[Path, list[Part]] = {}
    for part in graph.values():
        groups.setdefault(part.log, []).append(part)
    return {_node(parts) for parts in groups.values()}


def _node(parts: list[Part]) -> Node:
    rule, log, cores = parts[0].rule, parts[0].log, parts[0].cores
    assert all((part.rule, part.cores) == (rule, cores) for part in parts)
    inputs = chain.from_iterable(part.inputs for part in parts)
    outputs = chain.from_iterable(part.outputs for part in parts)
    files = (frozenset(map(str, some)) for some in (inputs, outputs))
    return Node(rule, *files, str(log), cores, PRIORITIES.get(rule, 0))


IMPORTED = """
methods: [fmq, authors]
imported: {authors: {label: Theirs, files: "{task}-{seed}.pkl"}}
"""
OWN = """
methods: [fmq, qc, awr]
own_methods: {awr: {file: awr.py, label: AWR, offline: pretrain-full, sampler: awr}}
samplers: [qc+awr]
seeds: [1, 0]
"""
AUTHORS = """
tasks: [cube-double-play-singletask-task3-v0, can-mh-low_dim]
methods: [fmq, authors]
samplers: [authors+qgbs]
published: true
imported: {authors: {label: Theirs, source: flow-map-policies, reproduces: fmq}}
datasets: {cube-double-play-v0: {source: official}, can-mh-low_dim: {source: official}}
"""
APART, STACKED = ("training: {stack_seeds: false}\n", "training: {stack_seeds: true}\n")
RELEASED = "config/paper.yaml config/as_released.yaml"
SHARED = "seeds: [3, 1]\noffline: {shared: true}\n"
CASES = [
    ("config/smoke.yaml", APART),
    (AUTHORS, APART),
    *(
        pytest.param(case, marks=pytest.mark.slow)
        for case in (
            ("config/paper.yaml", APART),
            (RELEASED, STACKED),
            ("seeds: [3, 1]", STACKED),
            *product((SHARED, OWN), (APART, STACKED)),
            (IMPORTED, STACKED),
            (AUTHORS, STACKED),
        )
    ),
]


@pytest.fixture(params=CASES, ids=lambda case: " ".join(case).replace("\n", " "))
def files(
    request: pytest.FixtureRequest, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[Path]:
    """Overlays of a study, in an empty folder with the files that they name."""
    monkeypatch.chdir(tmp_path)
    for block in blocks(root / "docs" / "add_method.md"):
        if block.file == "awr.py":
            block.write(tmp_path)
    for seed in (0, 1, 2):
        for task in load_study(root / "config.yaml").tasks:
            (tmp_path / f"{task}-{seed}.pkl").touch()
    overlay, stacking = request.param
    paths = [root / name for name in overlay.split()]
    if not overlay.startswith("config/"):
        paths = [tmp_path / "overlay.yaml"]
        paths[0].write_text(overlay)
    (tmp_path / "stacking.yaml").write_text(stacking)
    return [*paths, tmp_path / "stacking.yaml"]


def test_it_is_snakemakes_own(root: Path, tmp_path: Path, files: list[Path]) -> None:
    study = load_study(root / "config.yaml", *files)
    graph = graph_of(study, study_folder(study, RESULTS))
    nodes, rules = graph_nodes(graph), {part.rule for part in graph.values()}
    every = snakemake_nodes(root, tmp_path, files, ["all", "evidence", "rollouts"])
    # Pages of tables that are in no graph: those of the other targets.
    assert {node.rule for node in every - nodes if node.rule in rules} <= {"page"}
    # Films of variants are made if they are asked for by name.
    assert {node.rule for node in nodes - every} <= {"record_rollouts", "film_rollouts"}
    assert all("@" in node.log for node in nodes - every)
    # The plan has the jobs of `all` alone.
    jobs = study_jobs(study)
    logs = {"all": ""} | {place: str(part.log) for place, part in graph.items()}
    planned = {logs[job.name]: {logs[name] for name in job.needs} for job in jobs}
    assert planned == edges(snakemake_nodes(root, tmp_path, files, ["all"]))
    assert len(planned) == len(jobs)


def edges(nodes: Iterable[Node]) -> dict[str, set[str]]:
    """The logs of the jobs that each job needs, by its own log."""
    makers = {file: node.log for node in nodes for file in node.outputs}
    return {node.log: {makers[file] for file in node.inputs if file in makers} for node in nodes}


def test_scores_are_of_the_evaluations_in_the_graph(smoke: Study) -> None:
    read = {
        str(file.path)
        for task, seed, (method, sampler) in product(
            smoke.tasks, smoke.seeds, comparison_rows(smoke)
        )
        for name in runs_of_method(smoke, method).values()
        for file in evaluation_files(RESULTS, make_run(smoke, task, seed, name), sampler)
    }
    assert read == {str(path) for path in score_files(smoke, RESULTS) if path.suffix == ".csv"}


def test_counting_imports_no_torch(root: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from fmq.config.reading import load_study\n"
        "from fmq.tools.plan.jobs import study_jobs\n"
        "study_jobs(load_study(Path('config.yaml')))\n"
        "heavy = {'torch', 'ogbench', 'gymnasium'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


def test_parts_are_made_from_what_their_commands_read(smoke: Study) -> None:
    """The files by hand, since rules take their inputs from the graph themselves."""
    study = smoke.model_copy(update={"tasks": smoke.tasks[1:], "seeds": [0]})
    (task,), folder = study.tasks, study_folder(study, RESULTS)
    manifest = f"datasets/{study.task(task).dataset}/manifest.json"
    checkpoint = "{}/checkpoint.pt".format
    episodes, record = "{}/last_evaluation.csv", "{}/last_evaluation.json"
    compared = [checkpoint(f"finetune-{method}") for method in study.methods]
    expected = {
        "pretrain-warmup": {manifest},
        "pretrain-full": {manifest},
        "distill-esd": {manifest, checkpoint("pretrain-warmup")},
        "finetune-fmq": {manifest, checkpoint("distill-esd")},
        "finetune-mvp": {manifest, checkpoint("distill-esd")},
        "finetune-qc": {manifest, checkpoint("pretrain-full")},
        "finetune-fmq/evaluate-qgbs.csv": {manifest, checkpoint("finetune-fmq")},
        "finetune-fmq/rollouts.npz": {
            *(manifest, checkpoint("finetune-fmq")),
            *(episodes.format("finetune-fmq"), record.format("finetune-fmq")),
        },
        "costs.csv": set(compared),
        "theory": {
            manifest,
            *map(checkpoint, ("distill-esd", "finetune-fmq", "distill-lsd", "distill-psd")),
        },
        "diagnosis": {manifest, *compared, *map(checkpoint, ("distill-esd", "pretrain-full"))},
        "tables": {"scores.csv", *STATISTICS},
        "settings-page": {manifest},
    }
    found = {
        _plain(place, task, folder): {_plain(str(path), task, folder) for path in part.inputs}
        for place, part in graph_of(study, folder).items()
    }
    assert {name: found[name] for name in expected} == expected


def _plain(path: str, task: str, folder: Path) -> str:
    """A path without identities and without the folders that all share."""
    for shared in (f"{folder}/", f"{RESULTS}/runs/{task}/seed0/", f"{RESULTS}/"):
        path = path.removeprefix(shared)
    return re.sub(r"-[0-9a-f]{8}(?=[./]|$)", "", path)
