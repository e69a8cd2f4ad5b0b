"""What a training job reads and leaves: of one seed, and of a stack of seeds."""

from pathlib import Path
from typing import Any

import pytest

from fmq import training_jobs, workflow
from fmq.configuration import load_study, study_from_dict
from fmq.runs import make_run
from fmq.section import overlaid
from fmq.settings import Study

TASK = "pointmaze-medium-navigate-singletask-task4-v0"
RUN = "finetune-{method}"
STACK = {"task": TASK, "method": "fmq"}
FILES = {
    *("checkpoint.pt", "metrics.csv", "settings.json", "provenance.json"),
    *("evaluations.csv", "last_evaluation.csv", "last_evaluation.json"),
}


def changed(study: Study, changes: dict[str, Any]) -> Study:
    return study_from_dict(overlaid(study.model_dump(), changes), "test")


@pytest.fixture
def single(root: Path) -> Study:
    study = load_study(root / "config.yaml", root / "config/smoke.yaml")
    return changed(study, {"seeds": [3, 1]})


@pytest.fixture
def stacked(single: Study) -> Study:
    return changed(single, {"training": {"stack_seeds": True}})


def test_a_job_of_one_seed_keeps_the_wildcard(single: Study) -> None:
    folder = "results/runs/{task}/seed{seed}/finetune-{method}"
    outputs = training_jobs.outputs(single, RUN)
    assert {output.rpartition("/")[0] for output in outputs} == {folder}
    assert {output.rpartition("/")[2] for output in outputs} == FILES
    assert training_jobs.log(single, RUN) == f"{folder}/log.txt"


def test_a_stack_leaves_the_files_of_every_seed_and_one_log(single: Study, stacked: Study) -> None:
    folder = "results/runs/{{task}}/seed{}/finetune-{{method}}"
    outputs = training_jobs.outputs(stacked, RUN)
    assert len(outputs) == len(set(outputs)) == 2 * len(FILES)
    assert {output.rpartition("/")[0] for output in outputs} == {folder.format(n) for n in (3, 1)}
    # In any order of the study's seeds.
    assert training_jobs.log(stacked, RUN) == folder.format(1) + "/log.txt"
    jobs = [training_jobs.outputs(single, RUN)[0].replace("{seed}", str(n)) for n in (3, 1)]
    assert set(jobs) < set(outputs)


def test_a_stack_starts_from_the_checkpoints_of_its_own_seeds(
    single: Study, stacked: Study
) -> None:
    checkpoint = f"results/runs/{TASK}/seed{{}}/distill-esd/checkpoint.pt"
    both = training_jobs.parent_checkpoints(stacked, RUN, STACK)
    assert both == [checkpoint.format(1), checkpoint.format(3)]
    one = training_jobs.parent_checkpoints(single, RUN, STACK | {"seed": "1"})
    assert one == [checkpoint.format(1)]


def test_seeds_are_options_of_the_command(single: Study, stacked: Study) -> None:
    assert training_jobs.seed_options(stacked, RUN, STACK) == "--seed 1 --seed 3"
    assert training_jobs.seed_options(single, RUN, STACK | {"seed": "1"}) == "--seed 1"


def test_a_job_is_repeated_for_whichever_of_its_seeds(single: Study, stacked: Study) -> None:
    hashes = training_jobs.run_hashes(stacked, RUN, STACK).split()
    each = [workflow.run_hash(stacked, TASK, seed, "finetune-fmq") for seed in ("1", "3")]
    assert hashes == each
    more = changed(stacked, {"seeds": [3, 1, 0]})
    assert training_jobs.run_hashes(more, RUN, STACK).split()[1:] == each
    # Joint updates round differently, so that single runs are others.
    one = training_jobs.run_hashes(single, RUN, STACK | {"seed": "1"})
    assert one == workflow.run_hash(single, TASK, "1", "finetune-fmq") != each[0]


def test_one_job_evaluates_the_seeds_that_one_job_trains(single: Study, stacked: Study) -> None:
    folder = "results/runs/{{task}}/seed{}/evaluate"
    assert training_jobs.in_seed_folders(stacked, "evaluate") == [folder.format(n) for n in (1, 3)]
    assert training_jobs.in_seed_folders(single, "evaluate") == [folder.format("{seed}")]
    wildcards = {"task": TASK, "run": "distill-esd", "sampler": "qgbs"}
    assert training_jobs.evaluated_seeds(stacked, wildcards) == "--seed 1 --seed 3"
    assert training_jobs.evaluated_seeds(single, wildcards | {"seed": "3"}) == "--seed 3"
    first, second = training_jobs.evaluation_hashes(stacked, wildcards).split()
    assert first != second
    qgbs = changed(stacked, {"sampling": {"qgbs_rho": 0.5}})
    assert not {first, second} & set(training_jobs.evaluation_hashes(qgbs, wildcards).split())


def test_every_further_seed_takes_memory_of_its_own(single: Study, stacked: Study) -> None:
    three = changed(stacked, {"seeds": [3, 1, 0]})
    one, both, all_ = (training_jobs.memory_mb(study, TASK) for study in (single, stacked, three))
    # Five simulators and 200,000 rows; a simulator, networks and a buffer more.
    assert one == 1000 + 5 * 200 + 300
    assert both - one == all_ - both == 500 + 80
    assert workflow.memory_mb(stacked, TASK) == one  # of an evaluation


def test_a_run_of_somebody_elses_is_of_no_stack(stacked: Study) -> None:
    imported = {"authors": {"label": "Theirs", "files": "{task}-{seed}.pkl"}}
    study = changed(stacked, {"methods": ["fmq", "authors"], "imported": imported, "samplers": []})
    names = ("finetune-fmq", "finetune-authors")
    stacks = [make_run(study, TASK, 1, name).stack for name in names]
    assert [[run.seed for run in stack] for stack in stacks] == [[1, 3], [1]]
