"""What a run is made of: its hash changes with what shapes it, and with nothing else."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from fmq.configuration import study_from_dict
from fmq.errors import UserError
from fmq.runs import evaluation_settings, make_run, settings_hash, together_hash
from fmq.settings import Study

TASKS = [f"pointmaze-medium-navigate-singletask-task{number}-v0" for number in (2, 4)]
OFFLINE = {"pretrain-warmup", "pretrain-full", "distill-esd"}
ONLINE = {"finetune-fmq", "finetune-mvp", "finetune-qc", "finetune-mvp-no-new-data"}
RUNS = OFFLINE | ONLINE
FROM_DISTILLED = RUNS - {"pretrain-warmup", "pretrain-full", "finetune-qc"}
FROM_FULL = {"pretrain-full", "finetune-qc"}
FMQ = {"finetune-fmq"}


def study(changes: dict[str, Any] | None = None) -> Study:
    """The default study with `{"section/key": value}` changed."""
    values = yaml.safe_load((Path(__file__).parent.parent / "config.yaml").read_text())
    for path, value in (changes or {}).items():
        *sections, key = path.split("/")
        place = values
        for section in sections:
            place = place.setdefault(section, {})
        assert place.get(key) != value, "this changes nothing"
        place[key] = value
    return study_from_dict(values, "test")


def hashes(study: Study, task: str = TASKS[0], seed: int = 0) -> dict[str, str]:
    return {name: settings_hash(make_run(study, task, seed, name).settings()) for name in RUNS}


def changed(changes: dict[str, Any], task: str = TASKS[0]) -> set[str]:
    before, after = hashes(study(), task), hashes(study(changes), task)
    return {name for name in RUNS if before[name] != after[name]}


@pytest.mark.parametrize(
    ("setting", "value", "affected"),
    [
        ("seed", 1, RUNS),
        ("task_defaults/discount", 0.9, RUNS),
        ("task_defaults/episode_limit", 50, RUNS),
        ("datasets/pointmaze-medium-navigate-v0/action_noise", 0.2, RUNS),
        ("networks/activation", "gelu", RUNS),
        ("training/batch_size", 128, RUNS),
        ("evaluation/episodes", 10, RUNS),
        ("evaluation/processes", 4, set()),
        ("sampling/samples", 8, RUNS),
        ("offline/critic_target", "min", RUNS),
        ("offline/steps", 9000, FROM_DISTILLED | FROM_FULL),
        ("offline/evaluate_every", 500, RUNS),
        ("offline/warmup_steps", 900, RUNS - FROM_FULL),
        ("offline/anneal_end", 6000, FROM_DISTILLED),
        ("online/steps", 9000, ONLINE),
        ("online/update_every", 2, ONLINE),
        ("online/critic_target", "mean", FMQ),
        ("fmq/eta", 0.5, FMQ),
        ("fmq/adaptive", False, FMQ),
        ("fmq/distillation_weight", 0.1, FMQ),
        ("sampling/qgbs_eta", 0.1, set()),
        ("sampling/qgbs_rounds", 2, set()),
        ("statistics/resamples", 500, set()),
        ("name", "other", set()),
        ("device", "cpu", set()),
        ("threads", 4, set()),
        ("seeds", [0, 5], set()),
        ("tasks", TASKS[:1], set()),
        ("samplers", [], set()),
    ],
)
def test_a_setting_changes_the_runs_that_it_shapes(
    setting: str, value: object, affected: set[str]
) -> None:
    assert changed({setting: value}) == affected


def test_the_task_s_own_settings_change_its_runs_alone() -> None:
    own = {"task_settings": {TASKS[0]: {"discount": 0.95}}}
    assert changed(own, TASKS[0]) == RUNS
    assert changed(own, TASKS[1]) == set()


def test_runs_tasks_and_seeds_have_hashes_of_their_own() -> None:
    every = [
        value for task in TASKS for seed in (0, 1) for value in hashes(study(), task, seed).values()
    ]
    assert len(set(every)) == len(every) == len(RUNS) * 4


def test_another_data_set_s_settings_change_nothing() -> None:
    sizes = {"episodes": 3, "validation_episodes": 1, "episode_length": 9}
    other = {"source": "scripted", **sizes, "action_noise": 0.1, "seed": 0}
    assert changed({"datasets/cube-single-play-v0": other}) == set()


@pytest.mark.parametrize("run", ["distill-esd", "finetune-fmq"])
def test_beam_search_settings_change_beam_search_evaluations_alone(run: str) -> None:
    def evaluations(study: Study) -> dict[str, str]:
        one = make_run(study, TASKS[0], 0, run)
        samplers = ("one_step", "best_of_n", "euler", "qgbs")
        return {name: settings_hash(evaluation_settings(one, name)) for name in samplers}

    before = evaluations(study())
    assert len(set(before.values())) == 4
    for key, value in (("eta", 0.1), ("candidates", 8), ("completion", "diagonal")):
        after = evaluations(study({f"sampling/qgbs_{key}": value}))
        assert {name for name in before if before[name] != after[name]} == {"qgbs"}
    after = evaluations(study({"evaluation/episodes": 10}))
    assert all(before[name] != after[name] for name in before)


def test_parents_lead_back_to_pre_training() -> None:
    def ancestors(name: str) -> list[str]:
        run, names = make_run(study(), TASKS[0], 2, name), []
        while (parent := run.parent) is not None:
            assert run.settings()["parent"] == parent.settings()
            assert (parent.task.name, parent.seed) == (TASKS[0], 2)
            names.append(parent.name)
            run = parent
        assert "parent" not in run.settings()
        return names

    assert ancestors("finetune-fmq") == ancestors("finetune-mvp")
    assert ancestors("finetune-fmq") == ["distill-esd", "pretrain-warmup"]
    assert ancestors("finetune-qc") == ["pretrain-full"]
    assert ancestors("pretrain-warmup") == []


def test_methods_have_the_same_number_of_offline_steps() -> None:
    ends = {make_run(study(), TASKS[0], 0, name).parent.last_step for name in ONLINE}
    assert ends == {study().offline.steps}


def test_seeds_differ_by_task_seed_purpose_and_part() -> None:
    run = make_run(study(), TASKS[0], 0, "finetune-fmq")
    seeds = [
        run.derive_seed("batches"),
        run.derive_seed("networks"),
        run.derive_seed("batches", 1),
        run.derive_seed("batches", "1"),
        make_run(study(), TASKS[0], 1, "finetune-fmq").derive_seed("batches"),
        make_run(study(), TASKS[1], 0, "finetune-fmq").derive_seed("batches"),
        make_run(study({"seed": 1}), TASKS[0], 0, "finetune-fmq").derive_seed("batches"),
    ]
    assert len(set(seeds)) == len(seeds)
    assert run.derive_seed("batches") == seeds[0]


@pytest.mark.parametrize(
    ("task", "name", "message"),
    [
        ("cube-single-play-singletask-v0", "finetune-fmq", r"task 'cube-single.*its tasks: point"),
        (TASKS[0], "distill-sd", r"run 'distill-sd' is not in the study; its runs: .*distill-esd"),
        (TASKS[0], "finetune-dqn", r"run 'finetune-dqn' is not .*finetune-qc"),
        (TASKS[0], "pretrain", r"run 'pretrain' is not .*pretrain-full, pretrain-warmup"),
    ],
)
def test_a_run_outside_the_study_is_refused(task: str, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_run(study(), task, 0, name)


def test_the_hash_of_one_run_is_its_own_and_that_of_several_is_of_all() -> None:
    one, other = (make_run(study(), TASKS[0], seed, "finetune-fmq") for seed in (0, 1))
    assert together_hash([one]) == settings_hash(one.settings())
    hashes = {together_hash(runs) for runs in ([one], [other], [one, other], [one, other, one])}
    assert len(hashes) == 4
