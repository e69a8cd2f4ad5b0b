"""QC-FQL, BFN and BFN-n: their losses and backups agree with the definitions."""

import pytest
import torch
from helpers.learners import (
    ACTION,
    BATCH,
    HORIZON,
    STEP,
    STUDY,
    make_learner,
    objective,
    random_batch,
)
from torch import Tensor

from fmq.config.reading import study_from_dict
from fmq.method.flow import diagonal_loss, euler
from fmq.methods import qc_fql
from fmq.methods.losses import ActorInputs, ActorLoss
from fmq.methods.making import sampler_of
from fmq.methods.samplers import make_sampler
from fmq.pipeline.runs import make_run
from fmq.training.learner import Learner
from fmq.training.updater import Updater

NAME = "pointmaze-medium-navigate-singletask-task2-v0"


def fql(alpha: float) -> ActorLoss:
    return qc_fql.actor_loss(flow_steps=STUDY.sampling.flow_steps, alpha=alpha)


def inputs(learner: Learner) -> ActorInputs:
    generator = torch.Generator().manual_seed(5)
    shape = (BATCH, HORIZON * ACTION)
    return ActorInputs(
        learner.actor,
        learner.offline_actor,
        learner.critic,
        random_batch(),
        3 * torch.randn(2, *shape, generator=generator),
        torch.rand(1, BATCH, 1, generator=generator),
        torch.tensor(1.0),
    )


def defined(given: ActorInputs, alpha: float) -> Tensor:
    """Return Flow matching + alpha || mu(s, z) - ODE(s, z) ||^2 - Q(s, mu(s, z)), by autograd."""
    batch, z = given.batch, given.noise[1]
    velocity, zero = given.velocity, torch.zeros(BATCH, 1)
    one_step = z + velocity(batch.observations, z, zero, zero + 1)
    flowed = euler(velocity, batch.observations, z, STUDY.sampling.flow_steps).detach()
    matching = diagonal_loss(
        velocity,
        batch.observations,
        batch.actions,
        given.noise[0],
        given.times[0],
        valid=batch.valid,
    )
    q = given.critic(batch.observations, one_step.clamp(-1, 1)).mean()
    return matching + alpha * (one_step - flowed).square().mean() - q


@pytest.mark.parametrize("alpha", [0.0, 10.0])
def test_the_policy_s_gradient_is_that_of_flow_q_learning(alpha: float) -> None:
    learner = make_learner()
    given, weights = inputs(learner), list(learner.actor.parameters())
    found = torch.autograd.grad(fql(alpha).loss(given)[0], weights)
    expected = torch.autograd.grad(defined(given, alpha), weights)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_the_critics_are_left_alone() -> None:
    learner = make_learner()
    loss, _ = fql(1.0).loss(inputs(learner))
    gradients = torch.autograd.grad(loss, list(learner.critic.parameters()), allow_unused=True)
    assert all(gradient is None for gradient in gradients)


def train(alpha: float) -> dict[str, float]:
    """Return metrics after updates against fixed critics."""
    training = STUDY.training.model_copy(update={"learning_rate": 3e-3})
    study = STUDY.model_copy(update={"training": training})
    learner, one = make_learner(study), fql(alpha)

    def only_policy(given: ActorInputs) -> tuple[Tensor, dict[str, Tensor]]:
        loss, metrics = one.loss(given._replace(critic=fixed))
        return loss, metrics

    fixed = make_learner().critic
    aim = objective(
        one._replace(loss=only_policy),
        learner,
        sampler=make_sampler("one_step", "mean"),
        critic_target="mean",
    )
    updater = Updater([learner], aim)
    for _ in range(400):
        (metrics,) = updater.update([random_batch()], STEP, measure=True)
    return metrics


@pytest.mark.slow
def test_alpha_trades_the_flow_s_chunks_for_a_higher_value() -> None:
    faithful, greedy = train(100.0), train(0.0)
    assert greedy["policy_value"] > faithful["policy_value"] + 0.1
    assert faithful["distillation_loss"] < 0.3 * greedy["distillation_loss"]


@pytest.mark.parametrize(
    ("method", "offline", "chunk", "backup"),
    [
        ("qc", "pretrain-full", 5, 5),
        ("qc-fql", "pretrain-fql", 5, 5),
        ("bfn", "pretrain-single", 1, 1),
        ("bfn-n", "pretrain-n-step", 1, 5),
    ],
)
def test_chunks_and_backups_of_the_rivals(
    method: str, offline: str, chunk: int, backup: int
) -> None:
    study = study_from_dict(STUDY.model_dump() | {"methods": [method], "samplers": []}, "test")
    run = make_run(study, NAME, 0, f"finetune-{method}")
    assert run.parent is not None
    assert run.parent.name == offline
    for one in (run, run.parent):
        assert one.task.settings.chunk_length == chunk
        assert one.bound.simulation.backup_length == backup


def test_bfn_may_have_a_number_of_samples_of_its_own() -> None:
    values = STUDY.model_dump() | {"methods": ["fmq", "qc", "bfn", "bfn-n"], "samplers": []}
    before = study_from_dict(values, "test")
    values["sampling"] = values["sampling"] | {"bfn_samples": 7}
    after = study_from_dict(values, "test")
    for method, samples in (("fmq", 4), ("qc", 4), ("bfn", 7), ("bfn-n", 7)):
        name = f"finetune-{method}"
        run, other = (make_run(one, NAME, 0, name) for one in (after, before))
        assert run.parent is not None
        assert make_run(after, NAME, 0, run.parent.name).identity == run.parent.identity
        for one in (run, run.parent):
            assert sampler_of(one, one.sampler).noises == samples
            assert one.sampling(one.sampler)[1].samples == samples
        assert (run.identity == other.identity) is (samples == STUDY.sampling.samples)


def test_alpha_shapes_qc_fql_alone() -> None:
    values = STUDY.model_dump() | {"methods": ["fmq", "qc-fql", "bfn-n"], "samplers": []}
    study = study_from_dict(values, "test")
    values["task_defaults"] = values["task_defaults"] | {"fql_alpha": 3.0}
    other = study_from_dict(values, "test")
    for method, same in (("fmq", True), ("qc-fql", False), ("bfn-n", True)):
        name = f"finetune-{method}"
        settings = [make_run(one, NAME, 0, name).settings() for one in (study, other)]
        assert (settings[0] == settings[1]) is same
