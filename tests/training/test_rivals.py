"""QC-FQL, BFN and BFN-n: what their losses and backups are, against the definitions."""

import pytest
import torch
from helpers.learners import (
    ACTION,
    BATCH,
    HORIZON,
    NORMALIZER,
    STEP,
    STUDY,
    TASK,
    make_learner,
    random_batch,
)
from torch import Tensor

from fmq.configuration import study_from_dict
from fmq.flow import diagonal_loss, euler
from fmq.policy import make_sampler
from fmq.runs import make_run
from fmq.training.actor_losses import ACTOR_LOSSES, ActorInputs, ActorLoss
from fmq.training.learner import Learner
from fmq.training.objective import Objective
from fmq.training.updater import Updater

NAME = "pointmaze-medium-navigate-singletask-task2-v0"
FQL = ACTOR_LOSSES["fql"]


def inputs(learner: Learner, alpha: float) -> ActorInputs:
    generator = torch.Generator().manual_seed(5)
    shape = (BATCH, HORIZON * ACTION)
    return ActorInputs(
        learner.actor,
        learner.offline_actor,
        learner.critic,
        random_batch(),
        3 * torch.randn(FQL.noises, *shape, generator=generator),
        torch.rand(FQL.times, BATCH, 1, generator=generator),
        torch.tensor(1.0),
        STUDY,
        TASK.model_copy(update={"fql_alpha": alpha}),
    )


def defined(given: ActorInputs) -> Tensor:
    """Flow matching + alpha || mu(s, z) - ODE(s, z) ||^2 - Q(s, mu(s, z)), by autograd."""
    batch, z = given.batch, given.noise[1]
    velocity, zero = given.velocity, torch.zeros(BATCH, 1)
    one_step = z + velocity(batch.observations, z, zero, zero + 1)
    flowed = euler(velocity, batch.observations, z, STUDY.sampling.flow_steps).detach()
    matching = diagonal_loss(
        velocity, batch.observations, batch.actions, batch.valid, given.noise[0], given.times[0]
    )
    q = given.critic(batch.observations, one_step.clamp(-1, 1)).mean()
    return matching + given.task.fql_alpha * (one_step - flowed).square().mean() - q


@pytest.mark.parametrize("alpha", [0.0, 10.0])
def test_the_policy_s_gradient_is_that_of_flow_q_learning(alpha: float) -> None:
    learner = make_learner()
    given, weights = inputs(learner, alpha), list(learner.actor.parameters())
    found = torch.autograd.grad(FQL.loss(given)[0], weights)
    expected = torch.autograd.grad(defined(given), weights)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_the_critics_are_left_alone() -> None:
    learner = make_learner()
    loss, _ = FQL.loss(inputs(learner, 1.0))
    gradients = torch.autograd.grad(loss, list(learner.critic.parameters()), allow_unused=True)
    assert all(gradient is None for gradient in gradients)


def train(alpha: float) -> dict[str, float]:
    """Metrics after updates against critics that stand still."""
    training = STUDY.training.model_copy(update={"learning_rate": 3e-3})
    study = STUDY.model_copy(update={"training": training})
    task = TASK.model_copy(update={"fql_alpha": alpha})
    learner = Learner(study, task, NORMALIZER, ACTION, init_seed=0, noise_seed=1)

    def only_policy(given: ActorInputs) -> tuple[Tensor, dict[str, Tensor]]:
        loss, metrics = FQL.loss(given._replace(critic=fixed))
        return loss, metrics

    fixed = make_learner().critic
    aim = Objective(
        ActorLoss(FQL.noises, FQL.times, only_policy),
        make_sampler("one_step", study.sampling, "mean"),
        "mean",
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
        assert one.backup_length == backup


def test_alpha_shapes_qc_fql_alone() -> None:
    values = STUDY.model_dump() | {"methods": ["fmq", "qc-fql", "bfn-n"], "samplers": []}
    study = study_from_dict(values, "test")
    values["task_defaults"] = values["task_defaults"] | {"fql_alpha": 3.0}
    other = study_from_dict(values, "test")
    for method, same in (("fmq", True), ("qc-fql", False), ("bfn-n", True)):
        name = f"finetune-{method}"
        settings = [make_run(one, NAME, 0, name).settings() for one in (study, other)]
        assert (settings[0] == settings[1]) is same
