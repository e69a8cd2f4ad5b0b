"""Test runs: a run's identity changes with what affects its results, and with nothing else."""

import os
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from fmq.base.errors import UserError
from fmq.config.reading import study_from_dict
from fmq.config.study import Study
from fmq.pipeline.bindings import Bindings, Bound
from fmq.pipeline.data import dataset_folder_name
from fmq.pipeline.evaluations import evaluation_name
from fmq.pipeline.runs import make_run

TASKS = [f"pointmaze-medium-navigate-singletask-task{number}-v0" for number in (2, 4)]
OFFLINE = {"pretrain-warmup", "pretrain-full", "distill-esd"}
ONLINE = {"finetune-fmq", "finetune-mvp", "finetune-qc", "finetune-mvp-no-new-data"}
RUNS = OFFLINE | ONLINE
FROM_DISTILLED = RUNS - {"pretrain-warmup", "pretrain-full", "finetune-qc"}
FROM_FULL = {"pretrain-full", "finetune-qc"}
FMQ = {"finetune-fmq"}
DATASET = "pointmaze-medium-navigate-v0"
SECTIONS = (
    *("task_defaults", "networks", "training", "offline", "online", "fmq", "sampling"),
    "evaluation",
)


def study(changes: dict[str, Any] | None = None) -> Study:
    """Return the default study with changes given as `{"section/key": value}`."""
    values = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text())
    for path, value in (changes or {}).items():
        *sections, key = path.split("/")
        place = values
        for section in sections:
            place = place.setdefault(section, {})
        assert place.get(key) != value, "this changes nothing"
        place[key] = value
    return study_from_dict(values, "test")


def identities(study: Study, task: str = TASKS[0]) -> dict[str, str]:
    return {name: make_run(study, task, study.seeds[0], name).identity for name in RUNS}


def differing(one: Study, other: Study, task: str = TASKS[0]) -> set[str]:
    before, after = identities(one, task), identities(other, task)
    return {name for name in RUNS if before[name] != after[name]}


def changed(changes: dict[str, Any], task: str = TASKS[0]) -> set[str]:
    return differing(study(), study(changes), task)


@pytest.mark.parametrize(
    ("setting", "value", "affected"),
    [
        ("seed", 1, RUNS),
        ("task_defaults/discount", 0.9, RUNS),
        ("task_defaults/episode_limit", 50, RUNS),
        ("task_defaults/success_timing", "after", RUNS),
        ("task_defaults/demonstrations", "whole", set()),  # of RoboMimic's tasks
        (f"datasets/{DATASET}/action_noise", 0.2, RUNS),
        (f"datasets/{DATASET}/seed", 1, RUNS),
        (f"datasets/{DATASET}/validation_episodes", 6, set()),
        ("networks/activation", "gelu", RUNS),
        ("training/batch_size", 128, RUNS),
        ("evaluation/episodes", 10, RUNS),
        ("evaluation/processes", 4, set()),
        ("evaluation/beside", True, set()),
        ("sampling/samples", 8, RUNS),
        ("offline/critic_target", "min", RUNS),
        ("offline/steps", 9000, FROM_DISTILLED | FROM_FULL),
        ("offline/evaluate_every", 500, RUNS),
        ("offline/warmup_steps", 900, RUNS - FROM_FULL),
        ("offline/anneal_end", 6000, FROM_DISTILLED),
        ("online/steps", 9000, ONLINE),
        ("online/update_every", 2, ONLINE),
        ("online/critic_target", "mean", FMQ),
        ("online/simulators", "apart", set()),
        ("fmq/eta", 0.5, FMQ),
        ("fmq/adaptive", False, FMQ),
        ("fmq/distillation_weight", 0.1, FMQ),
        ("sampling/qgbs_eta", 0.1, set()),
        ("sampling/qgbs_rounds", 2, set()),
        ("statistics/resamples", 500, set()),
        ("name", "other", set()),
        ("device", "cpu", set()),
        ("jobs_per_device", 2, set()),
        ("threads", 4, set()),
        ("checkpoint_seconds", 60.0, set()),
        ("data_dir", "copies", set()),
        ("allow_missing", True, set()),
        ("published", True, set()),
        ("tracker", "tensorboard", set()),
        ("rollouts/episodes", [0], set()),
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


def test_every_setting_of_these_sections_counts_but_a_few() -> None:
    """Ensure that settings added later are not forgotten."""

    def other(value: Any, annotation: Any) -> Any:
        if value is None:
            return 1
        if isinstance(value, str):
            return next(choice for choice in get_args(annotation) if choice != value)
        if isinstance(value, bool):
            return not value
        return value / 2 if isinstance(value, float) and value else value + 1

    before, without_effect = study(), set()
    for name in SECTIONS:
        section = getattr(before, name)
        for key, field in type(section).model_fields.items():
            value = other(getattr(section, key), field.annotation)
            after = before.model_copy(update={name: section.model_copy(update={key: value})})
            if not differing(before, after):
                without_effect.add(f"{name}/{key}")
    qgbs = {f"sampling/{key}" for key in type(before.sampling).model_fields if "qgbs" in key}
    of_others = ("task_defaults/fql_alpha", "task_defaults/demonstrations", "sampling/bfn_samples")
    nowhere = ("evaluation/processes", "evaluation/beside", "online/simulators")
    assert without_effect == {*nowhere, *of_others, *qgbs}


def test_a_new_number_counts_once_it_is_not_at_its_default() -> None:
    class Later(Bindings):
        more: bool = False

    run = make_run(study(), TASKS[0], 0, "finetune-fmq")
    now, at_default, changed = (
        made.model_dump(exclude_defaults=True)
        for made in (run.bound, Later(**dict(run.bound)), Later(**dict(run.bound), more=True))
    )
    assert now == at_default != changed


def test_a_new_number_of_a_loss_counts_once_it_is_not_neutral() -> None:
    before = Bound(name="fmq", numbers={"eta": 1.0})
    at_neutral, changed = (
        Bound(name="fmq", numbers={"eta": 1.0, "more": more}, neutral={"more": 0})
        for more in (0, 1)
    )
    now, same, other = (
        one.model_dump(exclude_defaults=True) for one in (before, at_neutral, changed)
    )
    assert now == same != other
    assert at_neutral.model_dump()["numbers"] == {"eta": 1.0, "more": 0}


def test_runs_and_tasks_have_identities_of_their_own() -> None:
    every = [value for task in TASKS for value in identities(study(), task).values()]
    assert len(set(every)) == len(every) == len(RUNS) * 2


def test_seeds_share_an_identity_and_have_records_of_their_own() -> None:
    one, other = (make_run(study(), TASKS[0], seed, "finetune-fmq") for seed in (0, 1))
    assert one.identity == other.identity
    assert one.digest != other.digest
    assert one.folder == f"finetune-fmq-{one.identity[:8]}"


def test_seeds_that_are_trained_together_shape_each_other() -> None:
    """Joint updates round differently."""
    apart = {"training/stack_seeds": False}
    assert changed(apart) == RUNS
    assert changed({"seeds": [0, 1]}) == RUNS
    assert changed({"seeds": [2, 1, 0]}) == set()
    assert differing(study(apart), study(apart | {"seeds": [5]})) == set()


def test_seeds_that_share_offline_runs_have_the_first_ones() -> None:
    """What the first seed trains offline is what it would train without sharing."""
    apart = {"training/stack_seeds": False, "seeds": [2, 0]}
    alone, shared = study(apart), study(apart | {"offline/shared": True})
    assert differing(alone, shared) == ONLINE
    for name in RUNS:
        first, second = (make_run(shared, TASKS[0], seed, name) for seed in (2, 0))
        assert (first == second) is (name in OFFLINE)
        assert first.identity == second.identity
        if second.parent is not None:
            assert second.parent.seed == 2
            assert second.settings()["parent"]["seed"] == 2
    assert differing(shared, study(apart | {"offline/shared": True, "seeds": [0, 2]})) == ONLINE
    of_one = {"training/stack_seeds": False, "seeds": [2]}
    assert differing(study(of_one), study(of_one | {"offline/shared": True})) == set()


def own_file(path: Path) -> Study:
    data = {f"datasets/{DATASET}": {"source": "file", "path": str(path)}}
    return study({"tasks": TASKS[:1]} | data)


def test_a_file_of_the_study_s_own_counts_by_its_bytes_alone(tmp_path: Path) -> None:
    mine, copy = tmp_path / "here" / "mine.npz", tmp_path / "there" / "copy.npz"
    mine.parent.mkdir()
    copy.parent.mkdir()
    mine.write_bytes(b"some bytes")
    first = own_file(mine)
    before, folder = identities(first), dataset_folder_name(first, DATASET)
    shutil.copyfile(mine, copy)
    os.utime(copy, (0, 0))
    assert identities(own_file(copy)) == before
    assert dataset_folder_name(own_file(copy), DATASET) == folder
    replace_unseen(mine, b"other byte")
    other = identities(own_file(mine))
    assert all(other[name] != before[name] for name in RUNS)
    assert dataset_folder_name(own_file(mine), DATASET) != folder
    replace_unseen(mine, b"some bytes")
    assert identities(own_file(mine)) == before


def replace_unseen(path: Path, content: bytes) -> None:
    """Write content of the same size and date, at another tick of the file system's clock."""
    before = path.stat()
    assert len(content) == before.st_size
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        path.write_bytes(content)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_another_data_set_s_settings_change_nothing() -> None:
    sizes = {"episodes": 3, "validation_episodes": 1, "episode_length": 9}
    other = {"source": "scripted", **sizes, "action_noise": 0.1, "seed": 0}
    assert changed({"datasets/cube-single-play-v0": other}) == set()


@pytest.mark.parametrize("run", ["distill-esd", "finetune-fmq"])
def test_beam_search_settings_change_beam_search_evaluations_alone(run: str) -> None:
    def evaluations(study: Study) -> dict[str, str]:
        one = make_run(study, TASKS[0], 0, run)
        samplers = ("one_step", "best_of_n", "euler", "qgbs")
        return {name: f"{one.folder}/{evaluation_name(one, name)}" for name in samplers}

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


def test_identities_stay_the_same_from_version_to_version(smoke: Study) -> None:
    """An update of the package makes no result again, unless it changes what a run is.

    Where a change is meant to make results again, this is the place that says so.
    """
    expected = {
        "pretrain-warmup": "2cdfaf51cea65adf",
        "pretrain-full": "6ca49abba640e4d8",
        "distill-esd": "e4659a26cc69cab4",
        "finetune-fmq": "7414e70431b80037",
        "finetune-mvp": "c6a5a513027d2c4d",
        "finetune-qc": "17e39fb15e6dea44",
        "finetune-mvp-no-new-data": "d4184809e424d8fc",
    }
    runs = (make_run(smoke, smoke.tasks[0], 0, name) for name in expected)
    assert {run.name: run.identity for run in runs} == expected


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
