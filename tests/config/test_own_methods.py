"""Test user-defined methods: what is refused, what shapes a run, and how they are shown."""

import subprocess
import sys
from pathlib import Path

import pytest
from helpers.methods import ROOT, TASK, TEXT, folder, places, with_own, write

from fmq.analysis.figures.style import look
from fmq.base.errors import UserError
from fmq.config.methods import METHODS
from fmq.config.reading import load_study, study_from_dict
from fmq.config.study import Study
from fmq.pipeline.rules import method_pattern, sampler_pattern
from fmq.pipeline.runs import make_run
from fmq.pipeline.variants import ablation_rows, row_label


@pytest.fixture
def plain() -> Study:
    return load_study(ROOT / "config.yaml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("actor_loss = (", "line 1: not valid Python: '(' was never closed"),
        ("actor_loss = 'a\0b'", "not valid Python: source code string cannot contain null bytes"),
        ("def loss(inputs): actor_loss = 1", "defines no actor_loss; add actor_loss = ActorLoss("),
        ("", "defines no actor_loss"),
        ("print(actor_loss)", "defines no actor_loss"),
        (b"actor_loss = '\xff'", "not valid Python: "),
        ("#" * 200_001, "too large for a method; at most 200,000 bytes"),
    ],
)
def test_a_file_that_is_none_is_one_line(tmp_path: Path, text: str | bytes, told: str) -> None:
    path = tmp_path / "mine.py"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError) as caught:
        with_own(path)
    assert told in str(caught.value)
    assert "mine.py" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "row", "told"),
    [
        ("bfn", {}, "own_methods.bfn: fmq already uses this name"),
        ("flow_map", {}, "own_methods.flow_map: fmq already uses this name"),
        ("qgbs", {}, "own_methods.qgbs: fmq already uses this name"),
        ("my-method", {}, "own_methods.my-method: a name begins with a lowercase letter"),
        ("mine", {"label": "QC"}, "own_methods.mine.label: 'QC' is taken"),
        ("mine", {"label": "QGBS"}, "own_methods.mine.label: 'QGBS' is taken"),
        ("mine", {"label": "IQM"}, "own_methods.mine.label: 'IQM' is taken"),
        ("mine", {"label": "Mine "}, "own_methods.mine.label: String should match"),
        ("mine", {"label": "$x"}, "own_methods.mine.label: String should match"),
        ("mine", {"offline": "distil"}, "offline: unknown 'distil'; allowed: distill, pretrain-"),
        ("mine", {"sampler": "beam"}, "sampler: 'beam' does not fit distill; allowed: one_step, "),
        (
            "mine",
            {"offline": "pretrain-full", "sampler": "best_of_n"},
            "'best_of_n' does not fit pretrain-full; allowed: euler, best_of_n_euler, mine (the",
        ),
        ("mine", {"critic_target": "max"}, "own_methods.mine.critic_target: "),
        ("mine", {"lable": "Mine"}, "own_methods.mine.lable: unknown key; allowed: file, label"),
    ],
)
def test_a_wrong_row_is_one_line(tmp_path: Path, name: str, row: dict, told: str) -> None:
    with pytest.raises(UserError) as caught:
        with_own(write(tmp_path), name, **row)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_missing_sampler_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mine.py: no such file; own_methods names it relative to"):
        with_own(tmp_path / "mine.py")
    with pytest.raises(UserError, match=r"cannot be read: Is a directory"):
        with_own(tmp_path)
    path = write(tmp_path, TEXT.replace("sampler = None", ""))
    with pytest.raises(UserError, match=r"mine.py defines no sampler; add sampler = Sampler\("):
        with_own(path, sampler="mine")


def test_a_name_that_no_file_has_is_unknown(plain: Study) -> None:
    values = plain.model_dump() | {"methods": ["mine"]}
    with pytest.raises(UserError, match="methods: unknown 'mine'; allowed: fmq, mvp"):
        study_from_dict(values, "test")


def test_the_file_shapes_the_method_s_own_runs_and_no_others(plain: Study, tmp_path: Path) -> None:
    path = write(tmp_path)
    before = places(with_own(path, sampler="mine"))
    for name in ("distill-esd", "finetune-fmq"):
        assert before[name] == folder(plain, name)
    path.write_text(TEXT.replace("0.5", "0.25"))
    after = places(with_own(path, sampler="mine"))
    changed = {name for name in before if before[name] != after[name]}
    its = {"finetune-mine", "finetune-mine best_of_n", "finetune-mine mine", "distill-esd mine"}
    assert changed == its


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# half", "# a half"),
        ('"""A loss."""\n', ""),
        ('    """Of nothing."""\n', "\n\n"),
        ("inputs.noise.mean()", "(\n        inputs.noise.mean()\n    )"),
    ],
)
def test_what_does_nothing_repeats_nothing(tmp_path: Path, old: str, new: str) -> None:
    assert old in TEXT
    before = places(with_own(write(tmp_path), sampler="mine"))
    other = tmp_path / "elsewhere"
    other.mkdir()
    changed = with_own(write(other, TEXT.replace(old, new)), sampler="mine", label="Ours")
    assert places(changed) == before


def test_its_own_numbers_repeat_its_runs_and_other_settings_none(
    plain: Study, tmp_path: Path
) -> None:
    path = write(tmp_path)
    eta = {"fmq": plain.fmq.model_dump() | {"eta": 0.1}}
    first, other = with_own(path), with_own(path, also=eta)
    assert folder(first, "finetune-mine") == folder(other, "finetune-mine")
    weighted = with_own(path, settings={"weight": 2})
    assert folder(first, "finetune-mine") != folder(weighted, "finetune-mine")
    assert folder(first, "finetune-mvp") == folder(weighted, "finetune-mvp")


def test_samplers_in_files_fit_what_they_were_written_for(tmp_path: Path) -> None:
    row = {"offline": "pretrain-full", "sampler": "mine"}
    study = with_own(write(tmp_path), **row, also={"samplers": ["qc+mine", "fmq+mine"]})
    assert study.samplers_of("qc") == ["best_of_n_euler", "mine"]
    assert row_label(study, "qc", "mine") == "QC+Mine"
    assert row_label(study, "mine", "mine") == "Mine"
    assert "mine" in method_pattern(study).split("|")
    assert "mine" in sampler_pattern(study).split("|")
    with pytest.raises(UserError, match=r"samplers: 'qc\+mine' needs a flow map, but qc has none"):
        with_own(write(tmp_path), sampler="mine", also={"samplers": ["qc+mine"]})


def test_it_has_variants(tmp_path: Path) -> None:
    ablations = {"methods": {"mine@weight-0.5": {"settings": {"weight": 0.5}}}, "samplers": {}}
    study = with_own(write(tmp_path), also={"ablations": ablations})
    (row,) = [row for row in ablation_rows(study) if row.run == "finetune-mine@weight-0.5"]
    assert (row.label, row.sampler) == ("mine weight 0.5", "best_of_n")
    run = make_run(study, TASK, 0, row.run)
    assert run.code is not None
    bound = run.bound.actor_loss
    assert bound is not None
    assert (bound.numbers, bound.code) == ({"weight": 0.5}, run.code.digest)


def test_looks_collide_with_no_other_method_s() -> None:
    own = [f"mine{number}" for number in range(20)]
    known, ours = [look(name) for name in METHODS], [look(name, own) for name in own]
    assert len({str(one) for one in ours}) == len(own)
    for one in ours:
        assert not any(set(map(str, one)) & set(map(str, other)) for other in known)
    assert look("mine0", own[:1]) == ours[0]


def test_a_dry_run_reads_the_file_and_loads_no_torch(tmp_path: Path) -> None:
    study = with_own(write(tmp_path))
    settings = tmp_path / "settings.json"
    settings.write_text(study.model_dump_json())
    program = f"""
import sys
from pathlib import Path
from fmq.config.reading import load_study
from fmq.pipeline.paths import run_folder
from fmq.pipeline.runs import make_run
study = load_study(Path({str(settings)!r}))
print(run_folder(make_run(study, {TASK!r}, 0, "finetune-mine"), Path("")).name)
assert "torch" not in sys.modules
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.stdout.strip() == folder(study, "finetune-mine"), found.stderr
