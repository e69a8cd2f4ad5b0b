"""Several learners updated together equal the learners updated one by one."""

import math

import pytest
import torch
from helpers.learners import STEP, STUDY, assert_near, make_learner, objective, random_batch
from torch import Tensor

from fmq.base.errors import UserError
from fmq.config.study import Study
from fmq.methods import qc
from fmq.methods.losses import ActorInputs, ActorLoss
from fmq.networks import fused
from fmq.training.divergence import Divergence
from fmq.training.learner import Learner
from fmq.training.updater import Updater

LOSSES = ["diagonal", "flow_map", "fmq", "fql"]
SEEDS = range(3)


def with_training(**changes: object) -> Study:
    return STUDY.model_copy(update={"training": STUDY.training.model_copy(update=changes)})


def learners(study: Study = STUDY) -> list[Learner]:
    return [make_learner(study, init=seed, noise=10 + seed) for seed in SEEDS]


def train(
    several: list[Learner], loss: str, updates: int = 3, compile: bool = False
) -> list[dict[str, float]]:
    """Return the metrics of the last update."""
    updater = Updater(several, objective(loss, several[0]), compile)
    for step in range(updates):
        batches = [random_batch(100 * number + step) for number in range(len(several))]
        rows = updater.update(batches, STEP + step, measure=True)
    return rows


def train_one_by_one(several: list[Learner], loss: str, updates: int = 3) -> list[dict[str, float]]:
    rows = []
    for number, learner in enumerate(several):
        updater = Updater([learner], objective(loss, learner))
        for step in range(updates):
            batch = random_batch(100 * number + step)
            (row,) = updater.update([batch], STEP + step, measure=True)
        rows.append(row)
    return rows


def weights(learner: Learner) -> Tensor:
    """Return the weights, read through the networks."""
    networks = [learner.actor, learner.critic, learner.target]
    return torch.cat([torch.nn.utils.parameters_to_vector(one.parameters()) for one in networks])


def average(learner: Learner) -> Tensor:
    """Return Adam's average of the gradients."""
    return learner.vectors.moments.average


def assert_learned_alike(found: list[Learner], expected: list[Learner]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert_near(average(one), average(other), 1e-5)


FAST = ("diagonal", "fmq")
EAGER = [
    pytest.param(loss, False, marks=[pytest.mark.slow] * (loss not in FAST)) for loss in LOSSES
]
COMPILED = pytest.param(  # takes 15 s, so one loss stands for all
    "fmq", True, marks=pytest.mark.slow
)


@pytest.mark.parametrize(("loss", "compile"), [*EAGER, COMPILED])
def test_together_as_one_by_one(loss: str, compile: bool) -> None:
    alone, together = learners(), learners()
    start = [weights(learner).detach().clone() for learner in alone]
    expected, found = train_one_by_one(alone, loss), train(together, loss, compile=compile)
    assert_learned_alike(together, alone)
    for before, one, other in zip(start, alone, together, strict=True):
        assert (weights(one) - before).abs().max() > 1e-3
        assert_near(
            weights(other) - before, weights(one) - before, 0.1
        )  # a few small gradients differ in sign
    for row, other_row in zip(expected, found, strict=True):
        assert row.keys() == other_row.keys()
        for name, value in row.items():
            assert other_row[name] == pytest.approx(value, rel=1e-4, abs=1e-5), name


def test_a_stack_s_learners_are_told_apart() -> None:
    together = learners()
    train(together, "flow_map")
    assert (weights(together[0]) - weights(together[1])).abs().max() > 0.1


def test_each_of_a_stack_keeps_and_takes_up_its_own_state() -> None:
    """A learner that loads another's state continues as that learner would have."""
    first = learners()
    train(first, "fmq")
    for learner in first:
        learner.anchor()
    second = learners()
    aim = objective("fmq", second[0])
    updater = Updater(second, aim)
    for learner, other in zip(first, second, strict=True):
        other.load_state(learner.state())
        other.generator.set_state(learner.generator.get_state())
    batches = [random_batch(50 + seed) for seed in SEEDS]
    Updater(first, aim).update(batches, STEP)
    updater.update(batches, STEP)
    for learner, other in zip(first, second, strict=True):
        assert torch.equal(weights(learner), weights(other))


def test_one_that_went_wrong_is_named_and_none_is_changed() -> None:
    several = learners()
    updater = Updater(several, objective("fmq", several[0]))
    batches = [random_batch(seed) for seed in SEEDS]
    updater.update(batches, STEP)
    before = [weights(learner).clone() for learner in several]
    spoiled = batches[1]._replace(rewards=torch.full_like(batches[1].rewards, math.inf))
    with pytest.raises(Divergence, match="critic loss is") as told:
        updater.update([batches[0], spoiled, batches[2]], STEP + 1, measure=True)
    assert told.value.learner == 1
    assert told.value.batch.rewards.isinf().all()
    for learner, weight in zip(several, before, strict=True):
        assert torch.equal(weights(learner), weight)


def test_wide_networks_are_stacked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone, they use row tiles and oneDNN's products, which support no batches of weights."""
    monkeypatch.setattr(fused, "TILE", 16)
    networks = STUDY.networks.model_copy(update={"hidden_width": 256})
    assert_an_update_agrees(STUDY.model_copy(update={"networks": networks}), 1e-5)


def test_rounded_selection_is_that_of_each_learner() -> None:
    """Joint updates are nearer to single ones with rounding than to those without."""
    rounded, exact = with_training(selection="bfloat16"), STUDY
    alone, unrounded, together = learners(rounded), learners(exact), learners(rounded)
    for several in (alone, unrounded):
        train_one_by_one(several, "flow_map", updates=1)
    train(together, "flow_map", updates=1)
    for mine, near, far in zip(together, alone, unrounded, strict=True):
        apart = (average(near) - average(far)).norm()
        assert (average(mine) - average(near)).norm() < 0.1 * apart


def assert_an_update_agrees(study: Study, share: float) -> None:
    """Compare an update of learners together with updates one by one."""
    alone, together = learners(study), learners(study)
    train_one_by_one(alone, "flow_map", updates=1)
    train(together, "flow_map", updates=1)
    for one, other in zip(alone, together, strict=True):
        assert_near(average(other), average(one), share)


def test_a_loss_may_look_at_the_weights() -> None:
    """The weights are each learner's own, and receive its gradient."""

    def loss(inputs: ActorInputs) -> tuple[Tensor, dict[str, Tensor]]:
        flow_matching, _ = qc.actor_loss().loss(inputs)
        decay = sum(number.square().sum() for number in inputs.velocity.parameters())
        return flow_matching + decay, {"decay": decay.detach()}

    alone, together = learners(), learners()
    aim = objective("diagonal", alone[0])._replace(actor_loss=ActorLoss(1, 1, loss))
    batches = [random_batch(seed) for seed in SEEDS]
    rows = Updater(together, aim).update(batches, STEP, measure=True)
    for learner, batch, row in zip(alone, batches, rows, strict=True):
        (expected,) = Updater([learner], aim).update([batch], STEP, measure=True)
        assert row == pytest.approx(expected, rel=1e-4)
    assert_learned_alike(together, alone)


def test_numbers_stay_where_they_are() -> None:
    """A CUDA graph finds them by their addresses."""
    several = learners()
    updater = Updater(several, objective("fmq", several[0]))

    def places() -> list[int]:
        weights, target, offline, moments = updater.vectors
        networks = [
            network
            for one in several
            for network in (one.actor, one.critic, one.target, one.offline_actor)
        ]
        parameters = [number for one in networks for number in one.parameters()]
        return [each.data_ptr() for each in (weights, target, offline, *moments, *parameters)]

    before = places()
    for step in range(2):
        updater.update([random_batch(seed) for seed in SEEDS], STEP + step, measure=True)
        for learner in several:
            learner.anchor()
            learner.load_state(learner.state())
            learner.drift(random_batch(), learner.generator)
    assert places() == before


def test_a_quantity_may_be_of_any_type() -> None:
    def loss(inputs: ActorInputs) -> tuple[Tensor, dict[str, Tensor]]:
        flow_matching, _ = qc.actor_loss().loss(inputs)
        return flow_matching, {"exactly": flow_matching.detach().double()}

    learner = make_learner()
    aim = objective("diagonal", learner)._replace(actor_loss=ActorLoss(1, 1, loss))
    updater = Updater([learner], aim)
    (row,) = updater.update([random_batch()], STEP, measure=True)
    assert row["exactly"] == pytest.approx(row["actor_loss"])


def test_a_loss_that_looks_at_a_number_is_refused_in_one_line() -> None:
    """A single learner may do so, since its own numbers then decide which branch is taken."""

    def loss(inputs: ActorInputs) -> tuple[Tensor, dict[str, Tensor]]:
        flow_matching, _ = qc.actor_loss().loss(inputs)
        return (flow_matching if inputs.batch.rewards.mean() > 0 else 2 * flow_matching), {}

    aim = objective("diagonal", make_learner())._replace(actor_loss=ActorLoss(1, 1, loss))
    Updater([make_learner()], aim).update([random_batch()], STEP)
    with pytest.raises(UserError, match="cannot be made for several seeds at once") as told:
        Updater(learners(), aim).update([random_batch(seed) for seed in SEEDS], STEP)
    assert "\n" not in str(told.value)
