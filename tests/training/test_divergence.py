"""An update that goes wrong changes nothing, looked at at once or later, as on a GPU."""

import math

import pytest
import torch
from helpers.learners import STEP, make_learner, objective, random_batch
from torch import Tensor

from fmq.data.sequences import Batch
from fmq.training import divergence
from fmq.training.divergence import ANYTHING, Divergence, ValueRange
from fmq.training.learner import Learner


def looking_later() -> Learner:
    """As a learner on a GPU."""
    learner = make_learner()
    learner.looks_later = True
    return learner


def changeable(learner: Learner) -> Tensor:
    optimizer = learner.optimizer
    parts = [optimizer.weights, optimizer.average, optimizer.square, learner.target_weights]
    return torch.cat([*parts, optimizer.steps.view(1)])


def spoiled(seed: int) -> Batch:
    batch = random_batch(seed)
    return batch._replace(rewards=torch.full_like(batch.rewards, math.inf))


@pytest.mark.parametrize("loss", ["flow_map", "fmq"])
def test_looking_later_changes_no_number(loss: str) -> None:
    first, second = make_learner(), looking_later()
    for learner in (first, second):
        for step in range(5):
            learner.update(random_batch(step), STEP + step, objective(loss, learner))
    assert torch.equal(changeable(first), changeable(second))


def test_what_went_wrong_is_told_by_the_next_update_and_nothing_was_changed() -> None:
    learner = looking_later()
    aim = objective("fmq", learner)
    learner.update(random_batch(0), STEP, aim)
    before = changeable(learner).clone()
    learner.update(spoiled(1), STEP + 1, aim)
    assert torch.equal(changeable(learner), before)
    with pytest.raises(Divergence, match=r"critic loss is (inf|nan)") as told:
        learner.update(random_batch(2), STEP + 2, aim)
    assert told.value.step == STEP + 1
    assert told.value.batch.rewards.isinf().all()
    assert torch.equal(changeable(learner), before)
    learner.update(random_batch(2), STEP + 2, aim)  # it is told once
    assert not torch.equal(changeable(learner), before)


def test_a_checkpoint_and_metrics_wait_for_the_last_update() -> None:
    learner = looking_later()
    aim = objective("diagonal", learner)
    learner.update(spoiled(0), STEP, aim)
    with pytest.raises(Divergence, match="critic loss"):
        learner.state()
    with pytest.raises(Divergence, match="critic loss"):
        learner.update(spoiled(0), STEP, aim, measure=True)


@pytest.mark.parametrize("later", [False, True])
def test_an_impossible_value_is_wrong(later: bool) -> None:
    learner = make_learner()
    learner.looks_later = later
    learner.possible_values = ValueRange(-1.0, 0.0)
    with torch.no_grad():
        learner.critic.critics[0].layers[-1].bias.fill_(1e4)
    before = changeable(learner).clone()
    with pytest.raises(Divergence, match=r"Q is 1\d+.*, far outside of what the rewards allow, -1"):
        learner.update(random_batch(), STEP, objective("diagonal", learner), measure=True)
    assert torch.equal(changeable(learner), before)


@pytest.mark.parametrize("quantity", [1.0, math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("value", [0.0, -120.0, -121.0, 20.0, 21.0, math.nan])
@pytest.mark.parametrize("possible", [ANYTHING, ValueRange(-100.0, 0.0), ValueRange(-1.0, 0.0)])
def test_the_flag_and_the_words_agree(quantity: float, value: float, possible: ValueRange) -> None:
    found = divergence.signs(torch.tensor([[value, 0.0]]), {"loss": torch.tensor(quantity)})
    assert bool(divergence.wrong(found, possible)) == (
        divergence.fault(found, possible) is not None
    )
