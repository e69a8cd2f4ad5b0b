"""One joint update of policy, critics and target: what it changes, and that it repeats."""

from pathlib import Path

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
    small_study,
)
from torch import Tensor, nn

from fmq.acting.checkpoint import load_checkpoint, save_checkpoint
from fmq.config.methods import METHODS
from fmq.methods.samplers import Sampler, make_sampler
from fmq.training.adam import adam_step, no_moments
from fmq.training.learner import Learner
from fmq.training.update import critic_target
from fmq.training.updater import Updater
from fmq.training.vectors import flatten


def train(learner: Learner, loss: str = "flow_map", updates: int = 5) -> list[dict[str, float]]:
    updater = Updater([learner], objective(loss, learner))
    return [updater.update([random_batch(k)], STEP + k, measure=True)[0] for k in range(updates)]


def weights(module: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(module.parameters()).detach().clone()


def everything(learner: Learner) -> Tensor:
    modules = (learner.actor, learner.critic, learner.target, learner.offline_actor)
    return torch.cat([weights(module) for module in modules])


def test_equal_seeds_train_equal_networks() -> None:
    first, second = make_learner(), make_learner()
    assert train(first) == train(second)
    assert torch.equal(everything(first), everything(second))


@pytest.mark.parametrize("other", [{"init": 5}, {"noise": 5}])
def test_each_seed_matters(other: dict[str, int]) -> None:
    first, second = make_learner(), make_learner(**other)
    assert train(first) != train(second)
    assert not torch.equal(weights(first.actor), weights(second.actor))


def test_the_global_generator_does_not_matter() -> None:
    torch.manual_seed(1)
    first = make_learner()
    train(first)
    torch.manual_seed(2)
    second = make_learner()
    train(second)
    assert torch.equal(everything(first), everything(second))


@pytest.mark.parametrize(
    ("loss", "kind"),
    [("diagonal", "esd"), *(("flow_map", kind) for kind in ("esd", "lsd", "psd")), ("fmq", "esd")],
)
def test_every_loss_trains_the_policy_and_the_critics(loss: str, kind: str) -> None:
    learner = make_learner(small_study(kind))
    actor, critic = weights(learner.actor), weights(learner.critic)
    rows = train(learner, loss)
    assert (weights(learner.actor) - actor).abs().mean() > 1e-4
    assert (weights(learner.critic) - critic).abs().mean() > 1e-4
    assert torch.isfinite(everything(learner)).all()
    assert torch.isfinite(torch.tensor([list(row.values()) for row in rows])).all()
    assert {"critic_loss", "actor_loss", "q_mean", "q_max", "gradient_norm"} <= rows[0].keys()


def test_every_loss_is_tested() -> None:
    assert {row.actor_loss for row in METHODS.values()} == {"diagonal", "flow_map", "fmq", "fql"}


def test_fmq_side_losses_are_weighted() -> None:
    def actor_loss(**changes: float) -> float:
        fmq = STUDY.fmq.model_copy(update=changes)
        return train(make_learner(STUDY.model_copy(update={"fmq": fmq})), "fmq", 1)[0]["actor_loss"]

    plain = actor_loss()
    for name in ("diagonal_weight", "distillation_weight"):
        once, twice = actor_loss(**{name: 1.0}) - plain, actor_loss(**{name: 2.0}) - plain
        assert once > 0.01
        assert twice == pytest.approx(2 * once, rel=1e-4)


def test_the_frozen_networks_are_not_trained() -> None:
    """The offline policy stays; the target averages the critics of before each Adam step."""
    learner, rate = make_learner(), STUDY.training.target_rate
    offline, target = weights(learner.offline_actor), weights(learner.target)
    expected, updater = target, Updater([learner], objective("fmq", learner))
    for step in range(3):
        expected = (1 - rate) * expected + rate * weights(learner.critic)
        updater.update([random_batch(step)], STEP + step)
        torch.testing.assert_close(weights(learner.target), expected, rtol=0, atol=5e-7)
    assert torch.equal(weights(learner.offline_actor), offline)
    assert (weights(learner.target) - target).abs().max() > 5e-6


def test_the_fmq_target_starts_from_the_frozen_policy() -> None:
    learner = make_learner()
    nn.init.constant_(learner.offline_actor.layers[-1].bias, 5.0)
    assert train(learner, "fmq", 1)[0]["actor_loss"] > 3**2


def test_a_fixed_radius_is_not_adapted() -> None:
    fixed = STUDY.fmq.model_copy(update={"adaptive": False, "eta": 0.7})
    (row,) = train(make_learner(STUDY.model_copy(update={"fmq": fixed})), "fmq", 1)
    assert row["eta_effective"] == pytest.approx(0.7)
    (row,) = train(make_learner(), "fmq", 1)
    assert 1 / 1.6 < row["eta_effective"] < 1 / 1.15


def test_anchoring_freezes_the_present_policy() -> None:
    learner = make_learner()
    train(learner)
    learner.anchor()
    anchored = weights(learner.offline_actor)
    assert torch.equal(anchored, weights(learner.actor))
    measuring = torch.Generator().manual_seed(0)
    assert learner.drift(random_batch(), measuring) == 0
    train(learner, "fmq")
    assert torch.equal(weights(learner.offline_actor), anchored)
    assert learner.drift(random_batch(), measuring) > 1e-4


def test_a_chunk_that_ends_the_task_is_worth_its_reward() -> None:
    learner = make_learner()
    batch = random_batch()
    aim = objective("fmq", learner)
    candidates = learner.draw(BATCH, aim).candidates
    target = critic_target(learner, aim, learner.networks(), batch, candidates)
    ended = batch.masks == 0
    assert torch.equal(target[ended], batch.rewards[ended])
    assert (target[~ended] != batch.rewards[~ended]).all()


def test_the_bellman_target_asks_the_target_critics_about_the_sampled_chunk() -> None:
    learner, batch, chunk = make_learner(), random_batch(), torch.full((BATCH, 6), 0.5)
    nn.init.constant_(learner.target.critics[1].layers[-1].bias, -50.0)
    for how, expected in (("min", torch.amin), ("mean", torch.mean)):
        sampler = Sampler(1, lambda *arguments: chunk)
        aim = objective("fmq", learner, sampler=sampler, critic_target=how)
        values = expected(learner.target(batch.next_observations, chunk), 0)
        target = critic_target(learner, aim, learner.networks(), batch, chunk.unsqueeze(1))
        torch.testing.assert_close(target, batch.rewards + 0.9**3 * batch.masks * values)


def test_observations_are_normalised_before_the_networks() -> None:
    learner, batch = make_learner(), random_batch()
    (row,) = train(learner, updates=1)
    inputs = ((batch.observations - 2) / 3, batch.actions)
    assert row["q_mean"] == pytest.approx(make_learner().critic(*inputs).mean().item(), rel=1e-5)
    seen = []

    def choose(velocity, critic, obs: Tensor, noise: Tensor) -> Tensor:
        seen.append(obs)
        return batch.actions

    aim = objective("diagonal", learner, sampler=Sampler(1, choose))
    Updater([learner], aim).update([batch], STEP)
    torch.testing.assert_close(seen[0], (batch.next_observations - 2) / 3)


@pytest.mark.parametrize("loss", ["diagonal", "flow_map"])
def test_losses_fall_on_a_fixed_batch(loss: str) -> None:
    """With one action for all, the velocity is a function of a_t, so the loss can reach 0."""
    training = STUDY.training.model_copy(update={"learning_rate": 0.01})
    learner = make_learner(STUDY.model_copy(update={"training": training}))
    batch = random_batch()._replace(actions=torch.full((BATCH, HORIZON * ACTION), 0.5))
    updater = Updater([learner], objective(loss, learner))
    rows = [updater.update([batch], STEP, measure=True)[0] for _ in range(300)]
    for name in ("actor_loss", "critic_loss"):
        values = torch.tensor([row[name] for row in rows])
        assert values[-30:].mean() < values[:10].mean() / 2


def test_training_goes_on_from_a_checkpoint_as_if_never_interrupted(tmp_path: Path) -> None:
    first, second = make_learner(), make_learner(init=7)
    train(first)
    save_checkpoint(tmp_path / "checkpoint.pt", "hash", first.state())
    second.load_state(load_checkpoint(tmp_path / "checkpoint.pt", "hash", torch.device("cpu")))
    second.generator.set_state(first.generator.get_state())
    assert train(first, "fmq") == train(second, "fmq")
    assert torch.equal(everything(first), everything(second))


def test_all_weights_are_views_of_one_vector() -> None:
    network = nn.Linear(3, 2)
    before = weights(network)
    vector = flatten(network.parameters())
    assert torch.equal(vector, before)
    vector += 1
    assert torch.equal(weights(network), before + 1)


def test_adam_is_torchs() -> None:
    generator = torch.Generator().manual_seed(0)
    start, *gradients = torch.randn(6, 7, generator=generator)
    ours, theirs = start.clone(), nn.Parameter(start.clone())
    moments, expected = no_moments(ours), torch.optim.Adam([theirs], lr=0.1)
    for gradient in gradients:
        adam_step(ours, gradient, moments, 0.1)
        theirs.grad = gradient.clone()
        expected.step()
    torch.testing.assert_close(ours, theirs.detach())


def proposals(selection: str, updates: int) -> Tensor:
    """Return the chunks that the critic target proposes after some updates in float32."""
    learner = make_learner()
    train(learner, updates=updates)
    training = STUDY.training.model_copy(update={"selection": selection})
    rounding = make_learner(STUDY.model_copy(update={"training": training}))
    rounding.load_state(learner.state())
    noises, choose = make_sampler("one_step", "min")
    noise = torch.randn(BATCH, noises, HORIZON * ACTION, generator=learner.generator)
    with torch.no_grad():
        return choose(*rounding.networks().pickers, random_batch().observations, noise)


def test_rounded_selection_proposes_nearly_the_same_from_the_same_noise() -> None:
    exact, rounded = proposals("float32", 3), proposals("bfloat16", 3)
    assert rounded.dtype == torch.float32
    assert not torch.equal(rounded, exact)
    torch.testing.assert_close(rounded, exact, rtol=0, atol=0.05)


def test_rounded_selection_leaves_what_is_learned_in_float32() -> None:
    training = STUDY.training.model_copy(update={"selection": "bfloat16"})
    rounding, exact = make_learner(STUDY.model_copy(update={"training": training})), make_learner()
    train(rounding, updates=1)
    train(exact, updates=1)
    # Only the critic target differs, and only by its choice of the next chunk.
    assert torch.equal(weights(rounding.actor), weights(exact.actor))
    torch.testing.assert_close(weights(rounding.critic), weights(exact.critic), rtol=0, atol=5e-3)
