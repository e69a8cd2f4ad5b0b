"""Test settings: a single source of names and bounds, visible defaults, one-line errors."""

import json
import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from fmq.base.errors import UserError
from fmq.config.reading import load_study, schema_text, study_from_dict
from fmq.config.study import Study

ROOT = Path(__file__).parents[2]
SCRIPTED = {
    **{"source": "scripted", "episodes": 3, "validation_episodes": 1, "episode_length": 9},
    **{"action_noise": 0.1, "seed": 0},
}


def default() -> dict:
    return yaml.safe_load((ROOT / "config.yaml").read_text())


def test_the_default_study_is_the_one_promised() -> None:
    study = load_study(ROOT / "config.yaml")
    assert [study.task(name).environment for name in study.tasks] == [
        "pointmaze-medium-singletask-task2-v0",
        "pointmaze-medium-singletask-task4-v0",
    ]
    assert len(study.seeds) == 3
    assert study.samplers_of("fmq") == ["best_of_n", "qgbs"]
    assert study.samplers_of("qc") == ["best_of_n_euler"]
    assert study.offline_run("mvp") == "distill-esd"
    assert study.offline_run("qc") == "pretrain-full"


def leaves(model: type[BaseModel], values: dict, prefix: str = "") -> set[str]:
    """Return the names of fields that `values` leaves out."""
    missing = set()
    for name, field in model.model_fields.items():
        if name not in values:
            missing.add(prefix + name)
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            missing |= leaves(field.annotation, values[name], f"{prefix}{name}.")
    return missing


def test_config_yaml_shows_every_setting() -> None:
    assert leaves(Study, default()) == set()


def test_the_committed_schema_is_current() -> None:
    committed = (ROOT / "workflow/schemas/config.schema.json").read_text()
    assert committed == schema_text(), "run `fmq schema > workflow/schemas/config.schema.json`"
    assert json.loads(committed)["additionalProperties"] is False


def test_a_missing_setting_is_named() -> None:
    values = default()
    del values["online"]["steps"]
    with pytest.raises(UserError, match=r"^here: online\.steps: missing$"):
        study_from_dict(values, "here")


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "3", ""])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        load_study(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_an_overlay_alone_is_told_as_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("fmq: {eta: 0.5}")
    with pytest.raises(UserError, match=r"mine\.yaml: has only some .*: config\.yaml .*mine"):
        load_study(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such settings file"):
        load_study(tmp_path / "none.yaml")


def test_a_task_takes_its_own_settings_over_the_defaults() -> None:
    values = default()
    name = values["tasks"][0]
    values["task_settings"] = {name: {"discount": 0.995}}
    study = study_from_dict(values, "here")
    assert study.task(name).settings.discount == 0.995
    assert study.task(values["tasks"][1]).settings.discount == 0.99


def test_a_task_without_data_is_refused() -> None:
    values = default()
    values["tasks"].append("cube-single-play-singletask-task1-v0")
    with pytest.raises(UserError, match=r"no entry 'cube-single-play-v0'"):
        study_from_dict(values, "here")


def test_a_task_whose_data_nothing_can_make_is_refused() -> None:
    values = default()
    values["tasks"] = ["antmaze-giant-navigate-singletask-task4-v0"]
    values["datasets"]["antmaze-giant-navigate-v0"] = values["datasets"].popitem()[1]
    with pytest.raises(UserError, match=r"no scripted expert for it.*source: official"):
        study_from_dict(values, "here")


def test_methods_may_name_any_subset() -> None:
    study = study_from_dict(default() | {"methods": ["fmq"]}, "here")
    assert study.samplers_of("fmq") == ["best_of_n", "qgbs"]


def test_json_written_by_one_command_is_read_by_the_next(tmp_path: Path) -> None:
    study = load_study(ROOT / "config.yaml")
    path = tmp_path / "settings.json"
    path.write_text(study.model_dump_json())
    assert load_study(path) == study


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"episodes": 3},
            r"source: allowed are scripted, random, official, file, none; got nothing",
        ),
        (
            {"source": "found"},
            r"source: allowed are scripted, random, official, file, none; got found",
        ),
        (
            SCRIPTED | {"oops": 1},
            r"oops: unknown key; allowed: .*action_noise",
        ),
        ({"source": "official", "seeed": 3}, r"seeed: unknown key; allowed: source"),
        ({"source": "scripted"}, r"episodes: missing"),
    ],
)
def test_a_data_set_says_where_it_comes_from(entry: dict, message: str) -> None:
    values = default()
    values["datasets"]["pointmaze-medium-navigate-v0"] = entry
    with pytest.raises(
        UserError, match=rf"^here: datasets\.pointmaze-medium-navigate-v0\.{message}"
    ):
        study_from_dict(values, "here")


def test_an_overlay_may_turn_a_generated_set_into_the_official_one(tmp_path: Path) -> None:
    overlay = tmp_path / "official.yaml"
    overlay.write_text("datasets: {pointmaze-medium-navigate-v0: {source: official}}")
    study = load_study(ROOT / "config.yaml", overlay)
    assert study.datasets["pointmaze-medium-navigate-v0"].model_dump() == {"source": "official"}


def test_the_paper_s_protocol_is_complete_and_names_official_data() -> None:
    study = load_study(ROOT / "config.yaml", ROOT / "config" / "paper.yaml")
    assert (len(study.tasks), len(study.seeds)) == (12, 5)
    assert set(study.task_settings) == set(study.tasks)
    assert {study.datasets[name].source for name in study.dataset_names()} == {"official"}
    assert {name for name in study.tasks if study.task(name).settings.sparse_reward} == {
        f"scene-play-singletask-task{number}-v0" for number in (4, 5)
    }
    written = yaml.safe_load((ROOT / "config" / "paper.yaml").read_text())
    left_out = set(Study.model_fields) - set(written)
    # These do not belong to a protocol: the machine, and the root of the random streams.
    machine = {"seed", "device", "jobs_per_device", "threads", "data_dir"}
    machine |= {"checkpoint_seconds", "allow_missing", "ablations", "tracker", "rollouts"}
    machine |= {"own_methods", "imported"}
    assert left_out == machine | {"task_defaults"}


def test_overlays_merge_mappings_and_replace_the_rest(tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("seeds: [7]\nonline: {steps: 5}")
    study = load_study(ROOT / "config.yaml", overlay)
    assert study.seeds == [7]
    assert study.online.steps == 5
    assert study.online.update_every == default()["online"]["update_every"]


TASK = "pointmaze-medium-navigate-singletask-task2-v0"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("bogus: 1", ["bogus", "unknown key", "allowed", "tasks"]),
        ("online: {stepz: 1}", ["online.stepz", "unknown key", "start_training"]),
        ("tasks: [nowhere-v0]", ["tasks", "nowhere-v0", "allowed"]),
        ("seeds: []", ["seeds", "at least 1"]),
        ("seeds: [0, 0]", ["seeds", "twice"]),
        ("online: {steps: -1}", ["online.steps", "greater than or equal to 1", "-1"]),
        ("methods: [sac]", ["methods", "sac", "fmq, mvp, qc"]),
        ("samplers: [qc+qgbs]", ["samplers", "qc", "flow map"]),
        (f"task_settings: {{{TASK}: {{discount: 2}}}}", [TASK, "discount", "less than 1"]),
        ("task_settings: {typo: {discount: 0.9}}", ["typo", "allowed"]),
    ],
)
def test_a_bad_setting_is_one_line_that_tells_what_is_allowed(
    tmp_path: Path, change: str, words: list[str]
) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(change)
    with pytest.raises(UserError) as error:
        load_study(ROOT / "config.yaml", overlay)
    told = str(error.value)
    assert "\n" not in told
    for word in words:
        assert word in told


@pytest.mark.parametrize(
    "path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.stem
)
def test_every_overlay_is_valid_under_the_command_that_it_names(path: Path) -> None:
    told = path.read_text() + (ROOT / "Makefile").read_text().replace("\\\n", " ")
    commands = re.findall(r"--configfile((?:\s+config/[\w-]+\.yaml)+)", told)
    files = next(some for some in map(str.split, commands) if f"config/{path.name}" in some)
    load_study(ROOT / "config.yaml", *(ROOT / file for file in files))
