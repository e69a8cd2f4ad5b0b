"""Test what rules are told of the jobs that make runs, for one seed and for a stack of seeds."""

from pathlib import Path

import pytest
from helpers.studies import changed

from fmq.base.errors import UserError
from fmq.config.reading import load_study
from fmq.config.study import Study
from fmq.pipeline import rules as workflow
from fmq.pipeline.evaluations import evaluation_name
from fmq.pipeline.resources import (
    job_threads,
    memory_mb,
    online_threads,
    training_memory_mb,
)
from fmq.pipeline.rollouts import rollout_file
from fmq.pipeline.runs import make_run

TASK = "pointmaze-medium-navigate-singletask-task4-v0"
RUN = "finetune-{method}"
FILES = {
    *("checkpoint.pt", "metrics.csv", "settings.json", "provenance.json"),
    *("evaluations.csv", "last_evaluation.csv", "last_evaluation.json"),
}


@pytest.fixture
def single(root: Path) -> Study:
    study = load_study(root / "config.yaml", root / "config/smoke.yaml")
    return changed(study, {"seeds": [3, 1]})


@pytest.fixture
def stacked(single: Study) -> Study:
    return changed(single, {"training": {"stack_seeds": True}})


def test_a_job_of_one_seed_keeps_the_wildcard(single: Study) -> None:
    folder = "results/runs/{task}/seed{seed}/finetune-{method}"
    outputs = workflow.run_files(single, "finetune", RUN)
    assert {output.rpartition("/")[0] for output in outputs} == {folder}
    assert {output.rpartition("/")[2] for output in outputs} == FILES
    assert workflow.run_log(single, "finetune", RUN) == f"{folder}/log.txt"


def test_a_stack_leaves_the_files_of_every_seed_and_one_log(single: Study, stacked: Study) -> None:
    folder = "results/runs/{{task}}/seed{}/finetune-{{method}}"
    outputs = workflow.run_files(stacked, "finetune", RUN)
    assert len(outputs) == len(set(outputs)) == 2 * len(FILES)
    assert {output.rpartition("/")[0] for output in outputs} == {folder.format(n) for n in (3, 1)}
    # The order of the study's seeds does not matter.
    assert workflow.run_log(stacked, "finetune", RUN) == folder.format(1) + "/log.txt"
    jobs = [
        workflow.run_files(single, "finetune", RUN)[0].replace("{seed}", str(n)) for n in (3, 1)
    ]
    assert set(jobs) < set(outputs)


def test_a_stack_starts_from_the_checkpoints_of_its_own_seeds(
    single: Study, stacked: Study
) -> None:
    def checkpoint(study: Study, seed: int) -> str:
        run = make_run(study, TASK, seed, "distill-esd")
        return f"results/runs/{TASK}/seed{seed}/{run.folder}/checkpoint.pt"

    def needs(study: Study, **wildcards: str) -> list[str]:
        places = workflow.in_seed_folders(study, "finetune", "finetune-fmq-{identity}")
        graph = workflow.graph_of(study, Path("study"))
        identity = make_run(study, TASK, 1, "finetune-fmq").identity[:8]
        inputs = workflow.needs(graph, places)(wildcards | {"task": TASK, "identity": identity})
        return [str(path) for path in inputs if path.name == "checkpoint.pt"]

    assert set(needs(stacked)) == {checkpoint(stacked, 1), checkpoint(stacked, 3)}
    assert needs(single, seed="1") == [checkpoint(single, 1)]


def test_what_is_of_no_study_has_no_inputs(single: Study) -> None:
    graph = workflow.graph_of(single, Path("study"))
    own, other = (
        make_run(single, TASK, 1, f"finetune-{name}").identity[:8] for name in ("fmq", "qc")
    )
    needed = workflow.needs(graph, "results/runs/{task}/seed1/finetune-fmq-{identity}")
    assert len(needed({"task": TASK, "identity": own})) == 2
    with pytest.raises(UserError, match="no part of the study has this path"):
        needed({"task": TASK, "identity": other})


def test_identities_are_those_of_the_study_alone(single: Study) -> None:
    graph = workflow.graph_of(single, Path("study"))
    runs, episodes = (
        set(workflow.identities(graph, rules).split("|"))
        for rules in (workflow.ADDRESSED, workflow.IN_RUNS)
    )
    run = make_run(single, TASK, 1, "finetune-fmq")
    evaluation = evaluation_name(run, "qgbs").removesuffix(".csv").rpartition("-")[2]
    recording = rollout_file(make_run(single, TASK, 3, "finetune-fmq"), Path()).stem[-8:]
    assert run.identity[:8] in runs
    assert {evaluation, recording} <= episodes - runs
    assert not runs & episodes


def test_seeds_are_options_of_the_command(single: Study, stacked: Study) -> None:
    assert workflow.seed_options(stacked, "finetune") == "--seed 1 --seed 3"
    assert workflow.seed_options(single, "finetune") == "--seed {seed}"


def test_one_job_evaluates_the_seeds_that_one_job_trains(single: Study, stacked: Study) -> None:
    folder = "results/runs/{{task}}/seed{}/evaluate"
    folders = [
        workflow.in_seed_folders(study, "evaluate", "evaluate") for study in (stacked, single)
    ]
    assert folders[0] == [folder.format(n) for n in (1, 3)]
    assert folders[1] == [folder.format("{seed}")]


def test_every_further_seed_takes_memory_of_its_own(single: Study, stacked: Study) -> None:
    three = changed(stacked, {"seeds": [3, 1, 0]})
    one, both, all_ = (training_memory_mb(study, TASK) for study in (single, stacked, three))
    # Five simulators and 200,000 rows; then a further simulator, networks and buffer.
    assert one == 1000 + 5 * 200 + 300
    assert both - one == all_ - both == 500 + 80
    assert memory_mb(stacked, TASK) == one  # for an evaluation


def test_simulators_apart_take_cores_and_memory_of_online_runs(
    single: Study, stacked: Study
) -> None:
    for study, simulators in ((single, 1), (stacked, 2)):
        here = changed(study, {"threads": 2})
        apart = changed(here, {"online": {"simulators": "apart"}})
        assert online_threads(here) == job_threads(apart) == 2
        assert online_threads(apart) == 2 + simulators
        assert training_memory_mb(apart, TASK) - training_memory_mb(here, TASK) == 450 * simulators
        evaluated = changed(apart, {"evaluation": {"processes": 4, "environments": 4}})
        assert online_threads(evaluated) == 4


def test_a_run_of_somebody_elses_is_of_no_stack(stacked: Study) -> None:
    imported = {"authors": {"label": "Theirs", "files": "{task}-{seed}.pkl"}}
    study = changed(stacked, {"methods": ["fmq", "authors"], "imported": imported, "samplers": []})
    names = ("finetune-fmq", "finetune-authors")
    stacks = [make_run(study, TASK, 1, name).stack for name in names]
    assert [[run.seed for run in stack] for stack in stacks] == [[1, 3], [1]]


def test_a_stack_shares_the_offline_runs_of_the_first_seed(stacked: Study) -> None:
    """Its offline runs, and the evaluations of either stage, are jobs of one seed."""
    shared = changed(stacked, {"offline": {"shared": True}})
    for rule in ("pretrain", "distill", "evaluate"):
        assert workflow.seed_options(shared, rule) == "--seed {seed}"
    assert workflow.seed_options(shared, "finetune") == "--seed 1 --seed 3"
    graph = workflow.graph_of(shared, Path("study"))
    parents = {
        path
        for part in graph.values()
        if part.trains and part.name == "finetune-fmq"
        for path in part.inputs
        if path.name == "checkpoint.pt"
    }
    assert {path.parts[-3] for path in parents} == {"seed3"}
    assert {part.seed for part in graph.values() if part.rule in ("pretrain", "distill")} == {3}
    logs = [part.log for part in graph.values() if part.rule == "evaluate"]
    assert len(set(logs)) == len(logs)


@pytest.mark.parametrize(
    "options",
    [
        "--config fmq={eta:2} --config seeds=[0]",
        "--config=seed=1 --cores 2 -C name=a",
        "-Cseed=1 -Cname=a",
        "--config seed=1 seed=2",
        "--config=seed=1 name=a seed=2",
        "--configfile a.yaml --configfile b.yaml",
    ],
)
def test_settings_in_two_places_are_refused(options: str) -> None:
    """Of which Snakemake would take the last."""
    with pytest.raises(UserError, match="given twice"):
        workflow._refuse_repeated_options(["snakemake", *options.split()])


def test_settings_in_one_place_are_not_refused() -> None:
    options = "-c 2 --configfile a.yaml b.yaml --config seed=1 name=a -- seed=1"
    workflow._refuse_repeated_options(["snakemake", *options.split()])
