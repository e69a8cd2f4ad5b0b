"""Test variants: their names, what they change, and what they share with the study."""

import re
from pathlib import Path

import pytest

from fmq.base.errors import UserError
from fmq.config.reading import load_study, study_from_dict
from fmq.config.study import Study
from fmq.pipeline.evaluations import evaluation_name
from fmq.pipeline.graph import ablation_parts
from fmq.pipeline.paths import run_folder
from fmq.pipeline.rules import RESULTS, run_pattern, sampler_pattern
from fmq.pipeline.runs import make_run
from fmq.pipeline.variants import ablation_rows, inference_rows, sampler_label

TASK = "pointmaze-medium-navigate-singletask-task2-v0"


@pytest.fixture(scope="module")
def study() -> Study:
    return load_study(Path(__file__).parents[2] / "config.yaml")


def with_ablations(study: Study, **ablations: dict) -> Study:
    none = {"methods": {}, "samplers": {}}
    return study_from_dict(study.model_dump() | {"ablations": none | ablations}, "test")


def test_a_variant_changes_its_own_settings_and_shares_its_parents(study: Study) -> None:
    own = make_run(study, TASK, 0, "finetune-fmq").settings()
    other = make_run(study, TASK, 0, "finetune-fmq@eta-0.25").settings()
    numbers = own["actor_loss"]["numbers"]
    assert other["actor_loss"]["numbers"] == numbers | {"eta": 0.25, "adaptive": False}
    differing = {key for key in own if own[key] != other[key]}
    assert differing == {"identity", "run", "actor_loss"}


def test_a_distillation_is_the_same_run_by_whatever_name_it_is_reached(study: Study) -> None:
    variant = make_run(study, TASK, 0, "finetune-fmq@lsd")
    assert variant.parent is not None
    assert variant.parent.folder == make_run(study, TASK, 0, "distill-lsd").folder
    parts = ablation_parts(study, RESULTS)
    variants = [part for part in parts if part.name == variant.name and TASK in part.tasks]
    runs = [make_run(study, TASK, seed, "distill-lsd") for seed in study.seeds]
    assert [part.inputs[1] for part in variants] == [
        run_folder(run, RESULTS) / "checkpoint.pt" for run in runs
    ]


def test_ablations_shape_no_run_of_the_study(study: Study) -> None:
    plain = with_ablations(study)
    for name in ("pretrain-full", "distill-esd", "finetune-fmq", "finetune-qc"):
        one, other = (make_run(each, TASK, 0, name) for each in (plain, study))
        assert one.identity == other.identity


def test_an_overlay_leaves_a_variant_out(tmp_path: Path, study: Study) -> None:
    overlay = tmp_path / "fewer.yaml"
    overlay.write_text("ablations: {methods: {fmq@lsd: null}, samplers: {best_of_n@1: null}}")
    fewer = load_study(Path(__file__).parents[2] / "config.yaml", overlay).ablations
    assert set(study.ablations.methods) - set(fewer.methods) == {"fmq@lsd"}
    assert set(study.ablations.samplers) - set(fewer.samplers) == {"best_of_n@1"}


def test_a_sampler_s_variant_is_that_sampler_with_its_changes(study: Study) -> None:
    name, sampling = study.sampler("qgbs@2-4-16")
    assert name == "qgbs"
    changes = {"qgbs_rounds": 2, "qgbs_copies": 4, "qgbs_candidates": 16}
    assert sampling == study.sampling.model_copy(update=changes)
    run = make_run(study, TASK, 0, "finetune-fmq")
    assert run.sampler_named("best_of_n@8").numbers == {"samples": 8}


@pytest.mark.parametrize(
    ("ablations", "told"),
    [
        ({"methods": {"fmq": {}}}, "'fmq' is not NAME@WORD"),
        ({"methods": {"sac@big": {}}}, "'sac@big' is not NAME@WORD"),
        ({"methods": {"fmq@Big": {}}}, "'fmq@Big' is not NAME@WORD"),
        ({"samplers": {"euler@3": {"flow_steps": 3}}}, "'euler@3' is not NAME@WORD"),
        ({"samplers": {"best_of_n@8": {"samples": 9}}}, "must be best_of_n@N"),
        ({"samplers": {"qgbs@x": {"samples": 9}}}, "other settings than qgbs_"),
        ({"methods": {"fmq@x": {}}}, "'fmq@x' changes nothing"),
        ({"methods": {"fmq@x": {"networks": {"hidden_width": 9}}}}, "changes too much"),
        ({"methods": {"fmq@x": {"offline": {"steps": 9}}}}, "changes too much"),
        ({"methods": {"fmq@x": {"fmq": {"eta": -1}}}}, "ablations.methods.fmq@x: fmq.eta"),
        ({"methods": {"fmq@x": {"gmq": {}}}}, "changes too much"),
        ({"methods": {"fmq@x": {"offline": 5}}}, "changes too much"),
        (
            {"methods": {"fmq@x": {"fmq": {"etta": 1}}}},
            "ablations.methods.fmq@x: fmq.etta: unknown",
        ),
        ({"samplers": {"qgbs@x": {"copies": 2}}}, "other settings than qgbs_"),
    ],
)
def test_a_wrong_variant_is_one_line(study: Study, ablations: dict, told: str) -> None:
    with pytest.raises(UserError, match=told.replace(".", r"\.")):
        with_ablations(study, **ablations)


def test_an_unknown_variant_is_no_run(study: Study) -> None:
    with pytest.raises(UserError, match="run 'finetune-fmq@eta-7' is not in the study"):
        make_run(study, TASK, 0, "finetune-fmq@eta-7")


def test_rows_begin_with_the_study_s_own_choice_and_train_nothing_for_samplers(
    study: Study,
) -> None:
    rows = ablation_rows(study)
    first = {row.group: row for row in reversed(rows)}
    assert [first[group].run for group in ("offline", "training", "sampling")] == [
        "distill-esd",
        "finetune-fmq",
        "finetune-fmq",
    ]
    assert {row.run for row in rows if row.group == "sampling"} == {"finetune-fmq"}
    assert len({(row.group, row.label) for row in rows}) == len(rows)
    assert set(inference_rows(study)) >= {(r.run, r.sampler) for r in rows if r.group == "sampling"}


def test_labels_of_samplers(study: Study) -> None:
    assert sampler_label(study, "best_of_n@8") == "best of 8"
    assert sampler_label(study, "qgbs@2-4-4") == "QGBS 2-4-4"
    assert sampler_label(study, "best_of_n_euler") == "best of N, Euler"


def test_the_pattern_of_samplers_has_their_names_alone(study: Study) -> None:
    names = sampler_pattern(study).split("|")
    assert r"qgbs@1\-4\-4\-diagonal" in names
    assert "best_of_n" in names
    assert len(names) == len(set(names))


def test_ablations_without_fmq_say_so(study: Study) -> None:
    other = study.model_copy(update={"methods": ["mvp"]})
    with pytest.raises(UserError, match="add fmq to methods"):
        ablation_rows(other)


def test_a_file_of_episodes_is_read_in_one_way(study: Study) -> None:
    """Parse file names as Snakemake does: the wildcards' patterns allow a single reading."""
    other = with_ablations(
        study,
        methods={"fmq@no-euler": {"fmq": {"beta": 0.0}}},
        samplers={"qgbs@no-euler": {"qgbs_eta": 0.1}, "best_of_n@8": {"samples": 8}},
    )
    digits = "[0-9a-f]{8}"
    pattern = re.compile(
        f"(?P<run>{run_pattern(other)})-(?P<identity>{digits})"
        f"/evaluate-(?P<sampler>{sampler_pattern(other)})-(?P<sampling>{digits})[.]csv"
    )
    for name in ("pretrain-n-step", "distill-esd", "finetune-fmq", "finetune-fmq@no-euler"):
        run = make_run(other, TASK, 0, name)
        for how in ("euler", "qgbs", "qgbs@no-euler", "best_of_n@8"):
            found = pattern.fullmatch(f"{run.folder}/{evaluation_name(run, how)}")
            assert found is not None
            assert (found["run"], found["sampler"]) == (name, how)
