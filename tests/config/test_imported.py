"""Test imported methods: what is refused, what shapes their runs, and where they appear."""

from pathlib import Path
from typing import Any

import pytest
from helpers.flax import write_agent

from fmq.analysis.figures.style import look
from fmq.analysis.inputs.scores import comparison_rows, expected_scores
from fmq.analysis.statistics.comparisons import compared_rows
from fmq.base.errors import UserError
from fmq.config.reading import load_study, refuse_missing, study_from_dict
from fmq.config.study import Study
from fmq.pipeline.rules import imported_pattern, run_pattern, trained_pattern
from fmq.pipeline.runs import make_run
from fmq.pipeline.variants import flow_map_methods
from fmq.tools.doctor.data_files import imported_findings
from fmq.tools.plan.jobs import study_jobs

ROOT = Path(__file__).parents[2]
TASK = "pointmaze-medium-navigate-singletask-task2-v0"
FILES = "authors/{task}/params_online_sd{seed:03d}.pkl"
LABEL = "FMQ, authors'"


def with_imported(name: str = "authors", also: dict[str, Any] | None = None, **row: Any) -> Study:
    """Return the default study with an imported method added."""
    values = load_study(ROOT / "config.yaml").model_dump()
    values["methods"].append(name)
    entry = {"label": LABEL, "files": FILES} | row
    return study_from_dict(values | {"imported": {name: entry}} | (also or {}), "test")


@pytest.mark.parametrize(
    ("name", "row", "told"),
    [
        ("bfn", {}, "imported.bfn: fmq already uses this name"),
        ("the-authors", {}, "imported.the-authors: a name begins with a lowercase letter"),
        ("authors", {"label": "FMQ"}, "imported.authors.label: 'FMQ' is taken"),
        ("authors", {"label": "$x"}, "imported.authors.label: String should match"),
        ("authors", {"sampler": "beam"}, "sampler: unknown 'beam'; allowed: one_step, euler"),
        ("authors", {"offline": "distill"}, "imported.authors.offline: unknown key; allowed: "),
        ("authors", {"files": "{task}.pkl"}, "has no {seed}, but the study has 3 seeds"),
        ("authors", {"files": "{seed}.pkl"}, "has no {task}, but the study has 2 tasks"),
        ("authors", {"files": "{task}/{sd}.pkl"}, "has an unknown field; allowed are {task}"),
        ("authors", {"files": "{task}/{}.pkl"}, "has an unknown field"),
        ("authors", {"files": "{task.x}/{seed}"}, "has an unknown field"),
        ("authors", {"files": "{task!r}/{seed}"}, "has an unknown field"),
        ("authors", {"files": "{task}/{seed:9999999999d}"}, "has an unknown field"),
        ("authors", {"files": "{task}/{seed:{task}}"}, "has an unknown field"),
        ("authors", {"files": "{task}/{seed"}, "imported.authors.files: '{task}/{seed': expected"),
        ("authors", {"files": ""}, "imported.authors.files: String should have at least 1"),
    ],
)
def test_a_wrong_row_is_one_line(name: str, row: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as caught:
        with_imported(name, **row)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"files": FILES}, "imported.authors: needs either files or source"),
        ({"source": "elsewhere"}, "no published policies 'elsewhere' are known; allowed: flow-map"),
        ({}, f"source: flow-map-policies has no policy of {TASK} with seed 0; it has"),
        ({"reproduces": "FMQ"}, "imported.authors.reproduces: unknown 'FMQ'; allowed: fmq, mvp"),
    ],
)
def test_published_policies_are_known_ones(row: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as caught:
        with_imported(**{"files": None, "source": "flow-map-policies"} | row)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_sections_know_it(tmp_path: Path) -> None:
    code = tmp_path / "mine.py"
    code.write_text("actor_loss = 0\n")
    own = {"file": str(code), "label": LABEL, "offline": "distill", "sampler": "one_step"}
    with pytest.raises(UserError, match=r"imported.authors.label: .* is taken"):
        with_imported(also={"own_methods": {"mine": own}})
    own["label"] = "Mine"
    with pytest.raises(UserError, match=r"imported.authors: own_methods already uses this name"):
        with_imported(also={"own_methods": {"authors": own}})
    variant = {"methods": {"authors@eta-2": {"fmq": {"eta": 2.0}}}, "samplers": {}}
    with pytest.raises(UserError, match=r"ablations.methods: 'authors@eta-2' is not NAME@WORD"):
        with_imported(also={"ablations": variant})
    assert with_imported(also={"samplers": ["authors+qgbs"]}).samplers_of("authors") == [
        "best_of_n",
        "qgbs",
    ]


def test_a_pattern_names_a_file_for_each_task_and_seed() -> None:
    study = with_imported()
    file = study.imported["authors"].file(TASK, 2)
    assert file == Path(f"authors/{TASK}/params_online_sd002.pkl")
    single = with_imported(files="~/agent.pkl", also={"tasks": [TASK], "seeds": [0]})
    assert single.imported["authors"].file(TASK, 0) == Path.home() / "agent.pkl"


def test_missing_files_are_counted_on_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = with_imported()
    told = rf"no file 'authors/{TASK}/params_online_sd000.pkl', and 5 more are missing \(looked in"
    with pytest.raises(UserError, match=told):
        refuse_missing(study)
    (finding,) = imported_findings(study, tmp_path)
    assert (finding.mark, finding.found.partition(",")[0]) == ("FAIL", "6 of 6 files are missing")
    refuse_missing(with_imported(also={"allow_missing": True}))
    refuse_missing(with_imported(also={"methods": ["fmq"]}))
    for task in study.tasks:
        for seed in study.seeds:
            write_agent(study.imported["authors"].file(task, seed), seed)
    refuse_missing(study)
    (finding,) = imported_findings(study, tmp_path)
    assert (finding.mark, finding.found) == ("ok", "all 6 files are here")


def test_what_shapes_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = with_imported()
    values = study.model_dump()

    def digest(study: Study) -> str:
        return make_run(study, TASK, 0, "finetune-authors").identity

    nothing = digest(study)
    for pattern in (FILES, "elsewhere/{task}-{seed}.pkl"):
        for seed in study.seeds:
            file = Path(pattern.format(task=TASK, seed=seed))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{seed}")
    before = digest(study)
    assert before != nothing
    for changes in (
        {"networks": values["networks"] | {"normalize_observations": False}},
        {"training": values["training"] | {"batch_size": 7}},
        {"offline": values["offline"] | {"steps": 5000}},
        {"fmq": values["fmq"] | {"eta": 0.1}},
    ):
        assert digest(with_imported(also=changes)) == before
    assert digest(with_imported(files="elsewhere/{task}-{seed}.pkl", label="Theirs")) == before
    for changes in (
        {"networks": values["networks"] | {"hidden_width": 64}},
        {"evaluation": values["evaluation"] | {"episodes": 7}},
        {"online": values["online"] | {"critic_target": "mean"}},
        {"online": values["online"] | {"steps": 9000}},  # shapes the starts of its episodes
    ):
        assert digest(with_imported(also=changes)) != before
    # One job evaluates all seeds, so it is repeated if any of their files changes.
    study.imported["authors"].file(TASK, 2).write_text("another")
    assert digest(study) != before
    plain = load_study(ROOT / "config.yaml")
    for name in ("pretrain-full", "finetune-fmq"):
        one, other = (make_run(each, TASK, 0, name) for each in (study, plain))
        assert one.identity == other.identity


def test_it_has_no_offline_run_and_every_sampler() -> None:
    run = make_run(with_imported(), TASK, 0, "finetune-authors")
    assert (run.parent, run.trained, run.rule, run.sampler) == (
        None,
        False,
        "import_run",
        "best_of_n",
    )
    assert run.samplers == ["one_step", "euler", "best_of_n", "best_of_n_euler", "qgbs"]
    assert not run.study.networks.normalize_observations


def test_it_has_a_place_online_and_none_offline() -> None:
    study = with_imported()
    row = ("authors", "best_of_n")
    assert comparison_rows(study)[-1] == row
    assert row not in comparison_rows(study, "offline")
    assert compared_rows(study, "online")[-1] == row
    assert row not in compared_rows(study, "offline")
    scores = {key[3:] for key in expected_scores(study) if key[:2] == (TASK, "authors")}
    assert scores == {(seed, "online", study.online.steps) for seed in study.seeds}
    assert "authors" not in flow_map_methods(study)
    jobs = [job for job in study_jobs(study) if job.run and job.run.name == "finetune-authors"]
    assert sorted(job.rule for job in jobs) == ["evaluate"] * 2 + ["import_run"] * 6
    assert {job.seeds for job in jobs if job.rule == "evaluate"} == {3}
    assert sum(job.work.updates for job in jobs) == 0


def test_others_are_compared_with_what_is_trained_here() -> None:
    study = with_imported(also={"methods": ["authors", "qc", "mvp"]})
    assert compared_rows(study, "online")[0] == ("qc", "best_of_n_euler")
    assert compared_rows(study, "offline")[0] == ("qc", "best_of_n_euler")
    alone = with_imported(also={"methods": ["authors"]})
    assert compared_rows(alone, "online") == [("authors", "best_of_n")]
    assert compared_rows(alone, "offline") == []


def test_one_rule_makes_its_run() -> None:
    study, plain = with_imported(), load_study(ROOT / "config.yaml")
    assert imported_pattern(study) == "authors"
    assert "authors" not in trained_pattern(study).split("|")
    assert "authors" in run_pattern(study)
    assert trained_pattern(study) == trained_pattern(plain)
    assert imported_pattern(plain) == "(?!)"


def test_it_has_a_look_of_its_own() -> None:
    study = with_imported()
    assert len({look(name, study.added_methods) for name in study.known_methods}) == 8
