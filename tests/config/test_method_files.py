"""Rows in method files: read without executing the file, and overridden by the settings."""

from pathlib import Path
from typing import Any

import pytest
from helpers.methods import ROOT, TASK, TEXT, folder, places, with_own, write

from fmq.base.errors import UserError
from fmq.config.method_files import read_code
from fmq.config.reading import load_study, study_from_dict
from fmq.config.study import Study
from fmq.pipeline.rules import RESULTS
from fmq.pipeline.runs import make_run
from fmq.pipeline.studies import study_folder, study_sha256

ROW = {"label": "Mine", "offline": "distill", "sampler": "best_of_n", "critic_target": "mean"}


def with_row(path: Path, row: object, *names: str, **entry: Any) -> Study:
    """Return the default study with a method whose file has the row, and `entry` in its entry."""
    path.write_text(f"{TEXT}\nMETHOD = {row!r}\n" + "".join(f"{name}\n" for name in names))
    values = load_study(ROOT / "config.yaml").model_dump()
    values["methods"].append("mine")
    return study_from_dict(values | {"own_methods": {"mine": {"file": str(path), **entry}}}, "test")


def test_the_row_may_be_in_the_file_or_in_the_settings(tmp_path: Path) -> None:
    path = write(tmp_path)
    in_settings = with_own(path, critic_target="mean")
    in_file = with_row(path, ROW)
    assert in_file == in_settings
    assert places(in_file) == places(in_settings)
    assert study_from_dict(in_file.model_dump(), "test") == in_file


def test_a_file_of_a_declared_encoding_keeps_its_bytes(tmp_path: Path) -> None:
    """A copy in UTF-8 would still declare the other encoding."""
    content = f"# coding: latin-1\n# Größe\n{TEXT}".encode("latin-1")
    (tmp_path / "mine.py").write_bytes(content)
    code = read_code(tmp_path / "mine.py")
    assert "Größe" in code.text
    assert code.content == content


def test_keys_in_the_settings_override_the_row_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    found = with_row(path, ROW, label="Ours", sampler="qgbs").method("mine")
    assert (found.label, found.sampler, found.critic_target) == ("Ours", "qgbs", "mean")


def test_a_label_in_the_file_repeats_nothing_and_a_sampler_does(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    before = folder(with_row(path, ROW), "finetune-mine")
    assert folder(with_row(path, ROW | {"label": "Ours"}), "finetune-mine") == before
    assert folder(with_row(path, ROW | {"sampler": "qgbs"}), "finetune-mine") != before


def test_a_loss_in_a_file_gets_settings_of_the_study_and_numbers(tmp_path: Path) -> None:
    places = {
        "steps": "sampling.flow_steps",
        "discount": "task_defaults.discount",
        "eta": "fmq.eta",
    }
    study = with_row(
        tmp_path / "mine.py", ROW | {"settings": places}, settings={"eta": 7.0, "kind": "a.b"}
    )
    bound = make_run(study, TASK, 0, "finetune-mine").bound.actor_loss
    assert bound is not None
    expected = {"steps": study.sampling.flow_steps, "discount": 0.99, "eta": 7.0, "kind": "a.b"}
    assert bound.numbers == expected
    own = study.model_copy(update={"task_settings": {TASK: {"discount": 0.5}}})
    bound = make_run(own, TASK, 0, "finetune-mine").bound.actor_loss
    assert bound is not None
    assert bound.numbers["discount"] == 0.5


@pytest.mark.parametrize(
    ("row", "names", "told"),
    [
        (["Mine"], [], r"METHOD has to be a dictionary of plain values"),
        ({1: "Mine"}, [], r"METHOD has to be a dictionary of plain values"),
        (ROW, ["METHOD['label'] = 'Ours'"], r"line 13: METHOD has to be assigned once"),
        (ROW, ["def label(): return METHOD"], r"line 13: METHOD has to be assigned once"),
        (ROW, ["from fmq.methods.fmq import METHOD"], r"line 13: METHOD has to be assigned once"),
        (ROW, ["import math as METHOD"], r"line 13: METHOD has to be assigned once"),
        (ROW, ["class METHOD: pass"], r"line 13: METHOD has to be assigned once"),
        (ROW, ["match 1:", " case METHOD: pass"], r"line 14: METHOD has to be assigned once"),
        (ROW | {"settings": {1: "fmq.eta"}}, [], r"have to be names of the study's settings"),
        (ROW | {"lable": "Mine"}, [], r"own_methods.mine.lable: unknown key; allowed: file, label"),
        (ROW | {"interacts": 1}, [], r"own_methods.mine: interacts must be true or false"),
        ({"label": "Mine"}, [], r"own_methods.mine.offline: missing"),
        (ROW | {"settings": {"a": 0.5}}, [], r"put numbers into own_methods.mine.settings"),
        (ROW | {"settings": ["fmq.eta"]}, [], r"have to be names of the study's settings"),
        (ROW | {"settings": {"a": "fmq.etta"}}, [], r"METHOD: no setting 'fmq.etta'"),
        (ROW | {"settings": {"a": "method.eta"}}, [], r"METHOD: no setting 'method.eta'"),
    ],
)
def test_a_wrong_row_in_a_file_is_one_line(
    tmp_path: Path, row: object, names: list[str], told: str
) -> None:
    with pytest.raises(UserError, match=told) as caught:
        with_row(tmp_path / "mine.py", row, *names)
    assert "\n" not in str(caught.value)


def test_a_row_that_has_to_be_executed_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path, f"{TEXT}\nMETHOD = dict(label='Mine')")
    with pytest.raises(UserError, match=r"mine.py: line 12: METHOD has to be a dict"):
        with_own(path)


def test_a_default_of_fmqs_is_none_of_the_file_s(tmp_path: Path) -> None:
    """A setting at its default counts, because without it the file's own default would be used."""
    path = tmp_path / "mine.py"
    taken = with_row(path, ROW | {"settings": {"n": "evaluation.processes"}})
    with_it = folder(taken, "finetune-mine")
    assert folder(with_row(path, ROW), "finetune-mine") != with_it


def test_where_a_file_lies_and_how_it_begins_changes_no_study(tmp_path: Path) -> None:
    here, there = tmp_path / "mine.py", tmp_path / "theirs.py"
    first = with_row(here, ROW)
    there.write_bytes("\ufeff".encode() + here.read_bytes())
    own = {"mine": {"file": str(there)}}
    second = study_from_dict(first.model_dump() | {"own_methods": own}, "test")
    assert study_folder(first, RESULTS) == study_folder(second, RESULTS)
    taken = with_row(here, ROW | {"settings": {"a": "fmq.eta"}})
    other = with_row(here, ROW | {"settings": {"a": "fmq.beta"}})
    assert study_sha256(taken) != study_sha256(other)
