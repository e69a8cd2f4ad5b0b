"""Whole stages on a tiny study: their outputs, and that they repeat to the byte."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from fmq.acting.evaluation import evaluate_checkpoints
from fmq.base.errors import UserError
from fmq.base.files import file_sha256
from fmq.config.reading import study_from_dict
from fmq.config.study import Study, find_dataset
from fmq.data.generate import generate_dataset
from fmq.pipeline.paths import dataset_folder, evaluation_file, run_folder
from fmq.pipeline.runs import make_run
from fmq.training import own_losses
from fmq.training.offline import train_offline
from fmq.training.online import finetune

ROOT = Path(__file__).parents[2]
DATASET = "pointmaze-medium-navigate-v0"
TASK = "pointmaze-medium-navigate-singletask-task4-v0"


def merged(base: dict, over: dict) -> dict:
    """Merge `over` into `base`, section by section, as Snakemake does."""
    return base | {
        key: merged(base[key], value) if isinstance(value, dict) else value
        for key, value in over.items()
    }


@pytest.fixture(scope="module")
def study() -> Study:
    layers = [
        yaml.safe_load((ROOT / name).read_text()) for name in ("config.yaml", "config/smoke.yaml")
    ]
    return study_from_dict(merged(*layers), "smoke")


@pytest.fixture(scope="module")
def results(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with a data set and every run of one task and seed."""
    results = tmp_path_factory.mktemp("results")
    folder = dataset_folder(study, DATASET, results)
    generate_dataset(DATASET, find_dataset(study, DATASET), folder, 1)
    run_all(study, results)
    return results


def run_all(study: Study, results: Path) -> None:
    for name in ("pretrain-full", "pretrain-warmup", "distill-esd"):
        train_offline([make_run(study, TASK, 0, name)], results)
    for method in study.methods:
        finetune([make_run(study, TASK, 0, f"finetune-{method}")], results)
    evaluate_checkpoints([make_run(study, TASK, 0, "finetune-fmq")], "qgbs", results)


def folder_of(study: Study, results: Path, run: str) -> Path:
    return run_folder(make_run(study, TASK, 0, run), results)


def qgbs_file(study: Study, results: Path, run: str) -> Path:
    return evaluation_file(make_run(study, TASK, 0, run), "qgbs", results)


def test_two_runs_are_identical_to_the_byte(study: Study, results: Path, tmp_path: Path) -> None:
    (tmp_path / "datasets").symlink_to(results / "datasets")
    run_all(study, tmp_path)
    compared = 0
    for first in sorted((results / "runs").rglob("*")):
        if first.suffix == ".pt" or "evaluat" in first.name:
            second = tmp_path / first.relative_to(results)
            assert first.read_bytes() == second.read_bytes(), first
            compared += 1
    assert compared == 7 * len(("checkpoint", "evaluations", "last evaluation", "record")) + 2


def test_seeds_differ(study: Study, results: Path, tmp_path: Path) -> None:
    (tmp_path / "datasets").symlink_to(results / "datasets")
    other = study.model_copy(update={"seeds": [0, 1]})
    run = make_run(other, TASK, 1, "pretrain-warmup")
    train_offline([run], tmp_path)
    second = run_folder(run, tmp_path)
    first = folder_of(study, results, run.name)
    assert first.name == second.name
    contents = [torch.load(one / "checkpoint.pt")["content"] for one in (first, second)]
    weights = [torch.cat([value.flatten() for value in one["actor"].values()]) for one in contents]
    assert not torch.equal(*weights)


def test_a_run_folder_tells_what_shaped_it(study: Study, results: Path) -> None:
    folder = folder_of(study, results, "finetune-fmq")
    written = json.loads((folder / "settings.json").read_text())
    run = make_run(study, TASK, 0, "finetune-fmq")
    assert written["hash"] == run.digest
    assert folder.name.endswith(written["settings"]["identity"][:8])
    assert written["settings"]["actor_loss"]["numbers"]["eta"] == study.fmq.eta
    assert written["settings"]["parent"]["run"] == "distill-esd"
    provenance = json.loads((folder / "provenance.json").read_text())
    assert provenance["dataset"]
    assert provenance["packages"]["torch"]


def test_online_metrics_hold_what_the_paper_plots(study: Study, results: Path) -> None:
    folder = folder_of(study, results, "finetune-fmq")
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2  # 20 updates, a row every 10
    names = {"critic_loss", "actor_loss", "q_mean", "q_max", "gradient_norm", "eta_effective"}
    assert names | {"drift", "update_rate", "environment_rate"} <= set(rows[0])
    for row in rows:
        shares = [float(value) for name, value in row.items() if name.endswith("_share")]
        assert len(shares) == 4
        assert min(shares) > 0
        assert sum(shares) <= 1
    assert 0 < float(rows[-1]["eta_effective"]) <= study.fmq.eta
    assert float(rows[-1]["drift"]) > 0
    numbers = 2 * study.task_defaults.chunk_length
    assert float(rows[-1]["drift_mean"]) == pytest.approx(float(rows[-1]["drift"]) / numbers)


def test_names_that_own_quantities_cannot_have_are_those_of_every_run(
    study: Study, results: Path
) -> None:
    for name in ("distill-esd", "finetune-fmq"):
        header = (folder_of(study, results, name) / "metrics.csv").read_text().splitlines()[0]
        own = {"eta_effective", "distillation_loss"}  # of these runs' losses
        timed = {column for column in header.split(",") if column.endswith(("_share", "_rate"))}
        common = {*header.split(",")} - own - timed
        assert common <= own_losses._COLUMNS
    assert common == own_losses._COLUMNS


def test_the_control_collects_nothing(study: Study, results: Path) -> None:
    folder = folder_of(study, results, "finetune-mvp-no-new-data")
    header = (folder / "metrics.csv").read_text().splitlines()[0].split(",")
    assert "environment_rate" not in header


@pytest.mark.parametrize("name", ["distill-esd", "pretrain-full", "finetune-qc"])
def test_the_end_is_evaluated_in_training_as_its_checkpoint_is(
    study: Study, results: Path, name: str
) -> None:
    run = make_run(study, TASK, 0, name)
    files = [evaluation_file(run, run.sampler, results).with_suffix(s) for s in (".csv", ".json")]
    before = [file.read_bytes() for file in files]
    assert before[0].count(b"\n") == 1 + study.evaluation.episodes
    evaluate_checkpoints([run], run.sampler, results)
    assert [file.read_bytes() for file in files] == before


def test_all_methods_and_samplers_meet_the_same_number_of_episodes(
    study: Study, results: Path
) -> None:
    with qgbs_file(study, results, "finetune-fmq").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["episode"] for row in rows] == [str(n) for n in range(study.evaluation.episodes)]
    assert {row["step"] for row in rows} == {str(study.online.steps)}


def test_an_evaluation_records_the_checkpoint_it_is_of(study: Study, results: Path) -> None:
    path = qgbs_file(study, results, "finetune-fmq")
    checkpoint = folder_of(study, results, "finetune-fmq") / "checkpoint.pt"
    record = json.loads(path.with_suffix(".json").read_text())
    assert record["checkpoint"] == file_sha256(checkpoint)


def test_a_flow_map_sampler_is_refused_on_a_diagonal_policy(study: Study, results: Path) -> None:
    run = make_run(study, TASK, 0, "pretrain-full")
    with pytest.raises(UserError, match="flow map"):
        evaluate_checkpoints([run], "qgbs", results)
    assert not qgbs_file(study, results, "pretrain-full").exists()


def test_a_checkpoint_in_the_folder_of_other_settings_is_refused(
    study: Study, results: Path, tmp_path: Path
) -> None:
    name = "finetune-fmq"
    other = study.model_copy(update={"fmq": study.fmq.model_copy(update={"eta": 0.25})})
    shutil.copytree(folder_of(study, results, name), folder_of(other, tmp_path, name))
    before = qgbs_file(other, tmp_path, name).read_bytes()
    with pytest.raises(UserError, match="made with other settings"):
        evaluate_checkpoints([make_run(other, TASK, 0, name)], "qgbs", tmp_path)
    assert qgbs_file(other, tmp_path, name).read_bytes() == before


def test_a_missing_checkpoint_is_named(study: Study, results: Path, tmp_path: Path) -> None:
    (tmp_path / "datasets").symlink_to(results / "datasets")
    with pytest.raises(UserError, match=r"pretrain-warmup-\w+/checkpoint\.pt: no such checkpoint"):
        train_offline([make_run(study, TASK, 0, "distill-esd")], tmp_path)
    assert not (tmp_path / "runs").exists()
