"""What fuzzing found, one small case each; that in data sets is in the tests of their readers."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers.refusals import refusal

from fmq.acting.checkpoint import load_checkpoint, refuse_misfit, save_checkpoint
from fmq.analysis.inputs.csvw import Column, read_table
from fmq.config.reading import load_study, study_from_dict

BOMB = "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB + "name: *a59", "line 1: aliases"),
        ("seeds: &loop [*loop]", "aliases"),
        ("seed: 1\nseed: 2", "line 1: seed is given twice"),
        ("seed: " + "[" * 3000, "nested too deeply"),
        ("seed: 2001-99-99", "seed: "),  # text in YAML 1.2, as is the next
        ("seed: 0b_", "seed: "),
        ("seed: 9" + "9" * 5000, "not YAML"),
        ("seed: !!bool x", "not YAML"),
        ("seeds: !!set {1, 2}", "could not determine a constructor"),
        ("name: !!python/object/apply:os.system [touch x]", "could not determine a constructor"),
        ('"a\\nb": 1', "unknown key"),
    ],
)
def test_yaml_traps(root, tmp_path, text, reason):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    assert reason in refusal(load_study, root / "config.yaml", path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("section", "key", "value", "reason"),
    [
        ("training", "learning_rate", float("inf"), "finite"),
        ("training", "learning_rate", float("nan"), "training.learning_rate"),
        ("training", "learning_rate", "1e999", "finite"),
        ("training", "batch_size", True, "batch_size must be neither true nor false, got True"),
        ("task_defaults", "sparse_reward", 1, "sparse_reward must be true or false, got 1"),
        ("online", "steps", 10**30, "steps must be at most 9223372036854775807"),
        (None, "seeds", [16**6000], "got a huge number"),
        (None, "seeds", [0, 10**30], "seeds must be at most"),
        (None, "seeds", [True], "seeds must be neither true nor false"),
        (None, "data_dir", "a\nb", "data_dir must be printable"),
        (None, "methods", ["x" * 10**6], "unknown"),
    ],
)
def test_values_that_are_no_settings(root, section, key, value, reason):
    values = yaml.safe_load((root / "config.yaml").read_text())
    (values[section] if section else values)[key] = value
    assert reason in refusal(study_from_dict, values, "here")


def test_a_number_may_be_written_as_text(root):
    values = yaml.safe_load((root / "config.yaml").read_text())
    values["training"]["learning_rate"] = yaml.safe_load("1e-3")
    assert study_from_dict(values, "here").training.learning_rate == 0.001


COLUMNS = {
    "name": Column("string", "a name"),
    "count": Column("integer", "a count", minimum=0),
    "value": Column("number", "a value"),
}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a,1,2", "cut off in line 2"),
        ("a,1_0,2\n", "column count"),
        ("a, 1,2\n", "column count"),
        ("a,٣,2\n", "column count"),
        ("a,18446744073709551616,2\n", "column count"),
        ("a," + "9" * 500 + ",2\n", "column count"),
        ('a,"1"2,2\n', "not a CSV file"),
        ('"a\nb",1,2\n', "column name"),
        ("a\x1bb,1,2\n", "column name"),
    ],
)
def test_cells(tmp_path, row, reason):
    path = tmp_path / "table.csv"
    path.write_text(f"name,count,value\n{row}")
    assert reason in refusal(read_table, path, COLUMNS, ("name",))


def test_the_largest_seed_of_the_settings_has_a_place_in_tables(tmp_path):
    (tmp_path / "table.csv").write_text(f"name,count,value\na,{2**63 - 1},2\n")
    read = read_table(tmp_path / "table.csv", COLUMNS, ("name",))
    assert list(read["count"]) == [2**63 - 1]


@pytest.mark.parametrize("header", ['"a\nb",count,value', "name,\u2028,value", "x" * 10**5])
def test_headers_of_several_lines(tmp_path, header):
    path = tmp_path / "table.csv"
    path.write_text(f"{header}\n")
    refusal(read_table, path, COLUMNS, ("name",))


def load(path: Path):
    return load_checkpoint(path, "hash", torch.device("cpu"))


@pytest.mark.parametrize(
    ("learner", "reason"),
    [
        ({"weight": torch.tensor([1.0, torch.nan])}, "numbers that are not finite"),
        ({"weight": torch.zeros(1).expand(10**12)}, "larger than the file"),
        ({"weight": torch.zeros(10**12, device="meta")}, "a kind that fmq does not write"),
        ({"weight": {1, 2}}, "a value of the type set"),
        ({"normalizer": {"mean": "ab", "deviation": "cd"}}, "not floating-point tensors"),
        ({"normalizer": {"mean": torch.zeros(2), "deviation": torch.zeros(2)}}, "not positive"),
        ([1], "not a checkpoint of fmq"),
    ],
)
def test_checkpoints(tmp_path, learner, reason):
    save_checkpoint(tmp_path / "checkpoint.pt", "hash", learner)
    assert reason in refusal(load, tmp_path / "checkpoint.pt")


def test_a_changed_weight_is_found(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, "hash", {"weight": torch.full((100,), 0.123)})
    weight = np.float32(0.123).tobytes()
    path.write_bytes(path.read_bytes().replace(weight, np.float32(0.125).tobytes(), 1))
    assert "checksum" in refusal(load, path)


def test_settings_of_a_checkpoint_that_are_no_text(tmp_path):
    save_checkpoint(tmp_path / "checkpoint.pt", torch.zeros(3), {})
    assert "not a checkpoint of fmq" in refusal(load, tmp_path / "checkpoint.pt")


def test_a_state_that_does_not_fit_is_told_with_its_file(tmp_path):
    def take_over():
        with refuse_misfit(tmp_path / "checkpoint.pt"):
            torch.nn.Linear(2, 3).load_state_dict({"weight": torch.zeros(1)})

    reason = refusal(take_over)
    assert reason.startswith(f"{tmp_path / 'checkpoint.pt'}: does not fit the run")
