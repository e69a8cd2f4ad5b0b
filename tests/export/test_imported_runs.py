"""A pickle becomes a run that is evaluated and exported like any, or is refused on one line."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from helpers.flax import write_agent
from helpers.refusals import refusal
from helpers.runs import TASK

from fmq.acting.evaluation import evaluate_checkpoints, load_policy
from fmq.analysis.inputs.evaluations import read_evaluation
from fmq.base.files import file_sha256
from fmq.config.reading import study_from_dict
from fmq.config.study import Study
from fmq.export.card import read_card
from fmq.export.exporting import export_run
from fmq.export.imported_runs import import_run
from fmq.export.importing import import_jax
from fmq.export.loading import load_exported
from fmq.pipeline.paths import checkpoint_file, evaluation_file, run_folder
from fmq.pipeline.runs import Run, make_run

CPU = torch.device("cpu")


@pytest.fixture
def run(study: Study, tmp_path: Path) -> Run:
    """The run of an imported method; normalised observations of the study are not its own."""
    networks = {"hidden_width": 16, "hidden_layers": 2, "time_features": 0}
    values = study.model_dump() | {"methods": ["qc", "authors"]}
    values["networks"] |= networks | {"normalize_observations": True}
    values["imported"] = {"authors": {"label": "Theirs", "files": f"{tmp_path}/{{task}}.pkl"}}
    return make_run(study_from_dict(values, "test"), TASK, 0, "finetune-authors")


@pytest.fixture
def file(run: Run) -> Path:
    return run.study.imported["authors"].file(TASK, 0)


def test_its_policy_is_the_file_s(run: Run, file: Path, tmp_path: Path) -> None:
    write_agent(file, 3)
    import_run(run, tmp_path)
    import_jax(file, run.study, TASK, tmp_path / "read")
    observations = torch.randn(4, 2, generator=torch.Generator().manual_seed(1)).numpy()
    ours, read = load_policy(run, "qgbs", tmp_path, CPU), load_exported(tmp_path / "read", "qgbs")
    read.generator = torch.Generator().manual_seed(0)
    ours.generator = torch.Generator().manual_seed(0)
    assert (ours.act(observations) == read.act(observations)).all()
    assert not ours.normalizer.mean.any()


def test_it_is_evaluated_and_exported_like_any_run(run: Run, file: Path, tmp_path: Path) -> None:
    write_agent(file, 3)
    import_run(run, tmp_path)
    evaluate_checkpoints([run], "best_of_n", tmp_path)
    path = evaluation_file(run, "best_of_n", tmp_path)
    episodes = read_evaluation(path)
    assert set(episodes["step"]) == {run.study.online.steps}
    assert len(episodes) == run.study.evaluation.episodes
    told = json.loads(path.with_suffix(".json").read_text())
    assert told["dataset"] == {file.name: file_sha256(file)}
    assert told["checkpoint"] == file_sha256(checkpoint_file(run, tmp_path))
    export_run(run, tmp_path, tmp_path / "policy", one_step=True)
    card = read_card(tmp_path / "policy")
    assert (card.run, card.dataset, set(card.scores)) == ("finetune-authors", None, {"best_of_n"})
    assert card.made_by["run"]["imported"]["sha256"] == file_sha256(file)
    assert not card.networks.normalize_observations
    page = (tmp_path / "policy" / "README.md").read_text()
    assert "license:" not in page
    assert "trained by fmq" not in page
    assert "It is not known what the policy learned from." in page


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        ({"width": 8}, "has hidden layers of 2 x 8, but the study's networks have 2 x 16; set"),
        (
            {"observation": 3},
            "a policy for observations of 3 and actions of 2 numbers; "
            f"{TASK} has 2 and 2: it is of another task",
        ),
    ],
)
def test_another_shape_is_refused(
    run: Run, file: Path, tmp_path: Path, agent: dict[str, int], told: str
) -> None:
    write_agent(file, 3, **agent)
    assert refusal(import_run, run, tmp_path).startswith(f"{file}: {told}")
    assert not (tmp_path / "runs").exists()


def test_another_file_of_the_same_name_is_another_run(run: Run, file: Path, tmp_path: Path) -> None:
    write_agent(file, 3)
    import_run(run, tmp_path)
    before = {path: path.read_bytes() for path in run_folder(run, tmp_path).iterdir()}
    write_agent(file, 4)
    other = make_run(run.study, TASK, 0, run.name)
    import_run(other, tmp_path)
    assert run_folder(other, tmp_path) not in {path.parent for path in before}
    assert before == {path: path.read_bytes() for path in before}


def test_a_file_that_is_refused_makes_no_run(run: Run, file: Path, tmp_path: Path) -> None:
    assert refusal(import_run, run, tmp_path) == f"{file}: no such file"
    file.write_bytes(pickle.dumps(Path))
    again = make_run(run.study, TASK, 0, run.name)
    assert refusal(import_run, again, tmp_path).startswith(f"{file}: refused")
    assert not (tmp_path / "runs").exists()


def test_a_run_that_is_trained_here_is_no_import(run: Run, tmp_path: Path) -> None:
    trained = make_run(run.study, TASK, 0, "finetune-qc")
    assert "is trained here, with `fmq finetune`" in refusal(import_run, trained, tmp_path)
