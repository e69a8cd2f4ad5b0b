"""Losses in files: a fault is one line before training; a good loss trains like a built-in one."""

import json
from pathlib import Path

import pytest
import torch
from helpers.learners import STUDY, make_learner, random_batch

from fmq.acting.inference import write_inference
from fmq.base.errors import UserError
from fmq.config.reading import study_from_dict
from fmq.config.study import Study, find_dataset
from fmq.data.generate import generate_dataset
from fmq.export.exporting import export_run
from fmq.export.loading import load_exported
from fmq.methods.execution import execute
from fmq.methods.making import sampler_of
from fmq.pipeline.paths import costs_file, dataset_folder, run_folder
from fmq.pipeline.runs import Run, make_run
from fmq.training.objective import objective_of
from fmq.training.offline import train_offline
from fmq.training.online import finetune
from fmq.training.own_losses import try_once
from fmq.training.updater import Updater

DATASET = "pointmaze-medium-navigate-v0"
TASK = "pointmaze-medium-navigate-singletask-task4-v0"
TEXT = """
import torch

from fmq.method import flow
from fmq.methods.losses import ActorLoss
from fmq.methods.samplers import Sampler


def loss(inputs):
    batch, noise, times = inputs.batch, inputs.noise, inputs.times
    matching = flow.diagonal_loss(
        inputs.velocity, batch.observations, batch.actions, noise[0], times[0], valid=batch.valid
    )
    return matching, {}


actor_loss = ActorLoss(noises=1, times=1, loss=loss)


def choose(velocity, critic, observations, noise):
    return flow.euler(velocity, observations, noise.mean(1), steps=2)


sampler = Sampler(noises=3, choose=choose)
"""
RETURN = "return matching, {}"
CHUNKS = "flow.euler(velocity, observations, noise.mean(1), steps=2)"


def with_own(study: Study, folder: Path, *change: str, text: str = TEXT) -> Study:
    """Return `study` with a method in a file, in whose text `old` is replaced by `new`."""
    if change:
        assert change[0] in text
        text = text.replace(*change)
    path = folder / "mine.py"
    path.write_text(text)
    row = {"file": str(path), "label": "Mine", "offline": "pretrain-full", "sampler": "mine"}
    values = study.model_dump() | {"methods": ["mine"], "own_methods": {"mine": row}}
    return study_from_dict(values, "test")


def run_of(study: Study) -> Run:
    return make_run(study, TASK, 0, "finetune-mine")


def attempt(study: Study) -> None:
    """Do what a run does with its method before it trains."""
    run, learner = run_of(study), make_learner(study)
    assert run.code is not None
    try_once(run.code, learner, random_batch(), objective_of(run, sampler_of(run, run.sampler)))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("import torch", "import tarch", "line 2: ModuleNotFoundError: No module named 'tarch'"),
        (
            "actor_loss = ActorLoss(noises=1, times=1, loss=loss)",
            "actor_loss = loss",
            "or a function",
        ),
        ("noises=1", "noises=1.0", "actor_loss.noises has to be an integer, 0 or more, got 1.0"),
        ("times=1", "times=-1", "actor_loss.times has to be an integer, 0 or more, got -1"),
        ("noise[0]", "noise[1]", "with size 1; actor_loss asks for noises=1, times=1"),
        (RETURN, "return matching", "the loss returns Tensor; it has to return the loss and"),
        (RETURN, "return matching.expand(16), {}", "a tensor of shape (16,); it has to be a mean"),
        (RETURN, "return 1.0, {}", "the loss is 1.0; it has to be a mean"),
        (RETURN, "return matching.detach(), {}", "does not depend on inputs.velocity"),
        (RETURN, "return matching, {'step': matching}", "is called 'step'; it has to be a word"),
        (RETURN, "return matching, {'a': noise}", "a for the metrics has to be a tensor of shape"),
        (RETURN, "return matching, {'a': 1.0}", "a for the metrics has to be a tensor of shape"),
        (RETURN, "return matching + 0 * torch.randn(()), {}", "draws random numbers itself"),
        (
            RETURN,
            "return matching - inputs.critic(batch.observations, batch.actions).mean(), {}",
            "would train the critics too; take their gradient with respect to the chunk",
        ),
        (RETURN, "return matching @ noise, {}", "line 14: RuntimeError: "),
        ("noises=3", "noises=None", "sampler.noises has to be an integer, 0 or more, got None"),
        ("sampler = Sampler(noises=3, choose=choose)", "sampler = 3", "sampler is of type int"),
        (CHUNKS, "noise", "the sampler returns (16, 3, 6) for noise of (16, 3, 6); it has to be"),
        (CHUNKS, "noise[:, 3]", "line 21: IndexError: "),
        (CHUNKS, "torch.rand_like(noise[:, 0])", "draws random numbers itself"),
        (CHUNKS, "2 + noise[:, 0]", "the sampler returns chunks outside of [-1, 1]; clip them"),
        (CHUNKS, "noise[:, 0] * float('nan')", "the sampler returns chunks outside of [-1, 1]"),
        ("import torch", "import torch, numpy; numpy.random.rand()", "draws random numbers itself"),
        ("import torch", "import torch, random; random.random()", "draws random numbers itself"),
        ("import torch", "import torch; W = torch.randn(3)", "draws random numbers itself"),
        (RETURN, "return matching, {'a_share': matching}", "is called 'a_share'; it has to be"),
        (RETURN, "return matching, {'a': matching / 0}", "a for the metrics is inf"),
    ],
)
def test_a_fault_is_one_line_before_training(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(UserError) as caught:
        attempt(with_own(STUDY, tmp_path, old, new))
    assert told in str(caught.value)
    assert "mine.py" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_attempt_changes_nothing(tmp_path: Path) -> None:
    study = with_own(STUDY, tmp_path)
    run, learner = run_of(study), make_learner(study)
    objective = objective_of(run, sampler_of(run, run.sampler))
    noise, weights = learner.generator.get_state(), learner.vectors.weights.clone()
    everywhere = torch.get_rng_state()
    assert run.code is not None
    try_once(run.code, learner, random_batch(), objective)
    assert torch.equal(learner.generator.get_state(), noise)
    assert torch.equal(learner.vectors.weights, weights)
    assert torch.equal(torch.get_rng_state(), everywhere)


def test_what_torch_cannot_compile_is_one_line(tmp_path: Path) -> None:
    change = RETURN, f"if matching > 1e9:\n        matching = 2 * matching\n    {RETURN}"
    study = with_own(STUDY, tmp_path, *change)
    attempt(study)
    run, learner = run_of(study), make_learner(study)
    objective = objective_of(run, sampler_of(run, run.sampler))
    with pytest.raises(UserError, match=r"training\.compile: .* set training\.compile to never"):
        Updater([learner], objective, compile=True).update([random_batch()], 1)


@pytest.fixture(scope="module")
def study(smoke: Study, tmp_path_factory: pytest.TempPathFactory) -> Study:
    return with_own(smoke, tmp_path_factory.mktemp("method"))


@pytest.fixture(scope="module")
def results(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with the method's run and the runs before it."""
    results = tmp_path_factory.mktemp("results")
    folder = dataset_folder(study, DATASET, results)
    generate_dataset(DATASET, find_dataset(study, DATASET), folder, 1)
    train_offline([make_run(study, TASK, 0, "pretrain-full")], results)
    finish(study, results)
    return results


def finish(study: Study, results: Path) -> None:
    finetune([run_of(study)], results)


def outputs(study: Study, results: Path) -> list[bytes]:
    folder = run_folder(run_of(study), results)
    names = (
        "checkpoint.pt",
        "evaluations.csv",
        "last_evaluation.csv",
        "method.py",
        "settings.json",
    )
    return [(folder / name).read_bytes() for name in names]


def again(study: Study, results: Path, folder: Path) -> Path:
    """A results folder with the runs that the method's run starts from."""
    (folder / "datasets").symlink_to(results / "datasets")
    start = make_run(study, TASK, 0, "pretrain-full")
    run_folder(start, folder).parent.mkdir(parents=True)
    run_folder(start, folder).symlink_to(run_folder(start, results))
    return folder


def test_two_runs_are_identical_to_the_byte(study: Study, results: Path, tmp_path: Path) -> None:
    finish(study, again(study, results, tmp_path))
    assert outputs(study, tmp_path) == outputs(study, results)


def test_an_interrupted_run_goes_on_to_the_byte(
    study: Study, results: Path, tmp_path: Path, disturbance, monkeypatch: pytest.MonkeyPatch
) -> None:
    again(study, results, tmp_path)
    with monkeypatch.context() as patch:
        disturbance.at_call(patch, 7, disturbance.die)
        with pytest.raises(disturbance.interruption):
            finetune([run_of(study)], tmp_path)
    finish(study, tmp_path)
    assert outputs(study, tmp_path) == outputs(study, results)


def test_a_loss_that_is_not_finite_stops_the_run(
    smoke: Study, results: Path, tmp_path: Path
) -> None:
    study = with_own(smoke, tmp_path, RETURN, "return matching / 0, {}")
    with pytest.raises(UserError, match=r"finetune-mine .*actor loss is inf at gradient step"):
        finetune([run_of(study)], again(study, results, tmp_path))


def test_it_is_exported_without_being_executed(study: Study, results: Path, tmp_path: Path) -> None:
    run, folder = run_of(study), tmp_path / "policy"
    export_run(run, results, folder)
    card = json.loads((folder / "card.json").read_text())
    assert (card["sampler"], card["samplers"]) == ("mine", ["euler", "best_of_n_euler"])
    assert set(card["scores"]) == {"mine"}
    assert card["made_by"]["run"]["method"]["sha256"] == run.code.sha256
    assert (folder / "method.py").read_text() == TEXT
    with pytest.raises(UserError, match=r"sampler 'mine' of method\.py, which is not executed"):
        load_exported(folder)
    size = card["observation_size"]
    assert load_exported(folder, "euler").act(torch.zeros(2, size).numpy()).shape[0] == 2
    sampler = execute("mine", run.code).sampler
    chunks = [load_exported(folder, sampler).act(torch.zeros(2, size).numpy()) for _ in range(2)]
    assert (chunks[0] == chunks[1]).all()


def test_what_its_sampler_costs_is_counted(study: Study, results: Path) -> None:
    write_inference(study, TASK, results)
    header, row = costs_file(study, TASK, results).read_text().splitlines()
    found = dict(zip(header.split(","), row.split(","), strict=True))
    assert (found["sampler"], found["evaluations"], found["formula"]) == ("mine", "2", "2")
