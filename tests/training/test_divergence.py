"""A diverged update changes nothing, and is found once the next one is launched."""

import math

import pytest
import torch
from helpers.learners import STEP, make_learner, objective, random_batch
from torch import Tensor

from fmq.data.sequences import Batch
from fmq.training import divergence
from fmq.training.divergence import ANYTHING, Divergence, ValueRange
from fmq.training.learner import Learner
from fmq.training.updater import Updater


def make_updater(learner: Learner, loss: str) -> Updater:
    return Updater([learner], objective(loss, learner))


def changeable(learner: Learner) -> Tensor:
    weights, target, _, moments = learner.vectors
    return torch.cat([weights, target, moments.average, moments.square, moments.steps.view(1)])


def spoiled(seed: int) -> Batch:
    batch = random_batch(seed)
    return batch._replace(rewards=torch.full_like(batch.rewards, math.inf))


def test_what_went_wrong_changes_nothing_and_is_told_by_the_next_update() -> None:
    learner = make_learner()
    updater = make_updater(learner, "fmq")
    updater.update([random_batch(0)], STEP)
    before = changeable(learner).clone()
    updater.update([spoiled(1)], STEP + 1)
    assert torch.equal(changeable(learner), before)
    with pytest.raises(Divergence, match=r"critic loss is (inf|nan)") as told:
        updater.update([random_batch(2)], STEP + 2)
    assert told.value.step == STEP + 1
    assert told.value.batch.rewards.isinf().all()
    updater.update([random_batch(3)], STEP + 3)  # the divergence is raised only once
    updater.settle()
    assert changeable(learner).isfinite().all()
    assert not torch.equal(changeable(learner), before)


def test_who_settles_and_who_measures_waits_for_the_last_update() -> None:
    updater = make_updater(make_learner(), "diagonal")
    updater.update([spoiled(0)], STEP)
    with pytest.raises(Divergence, match="critic loss"):
        updater.settle()
    with pytest.raises(Divergence, match="critic loss"):
        updater.update([spoiled(0)], STEP, measure=True)


def test_an_impossible_value_is_wrong() -> None:
    learner = make_learner()
    learner.possible_values = ValueRange(-1.0, 0.0)
    with torch.no_grad():
        learner.critic.critics[0].layers[-1].bias.fill_(1e4)
    before = changeable(learner).clone()
    with pytest.raises(Divergence, match=r"Q is 1\d+.*, far outside of what the rewards allow, -1"):
        make_updater(learner, "diagonal").update([random_batch()], STEP, measure=True)
    assert torch.equal(changeable(learner), before)


@pytest.mark.parametrize("quantity", [1.0, math.inf, -math.inf, math.nan])
@pytest.mark.parametrize(
    "value", [0.0, -200.0, -201.0, 100.0, 101.0, -21.0, -22.0, 20.0, 21.0, math.nan]
)
@pytest.mark.parametrize("possible", [ANYTHING, ValueRange(-100.0, 0.0), ValueRange(-1.0, 0.0)])
def test_the_flag_and_the_words_agree(quantity: float, value: float, possible: ValueRange) -> None:
    found = divergence.signs(torch.tensor([[value, 0.0]]), {"loss": torch.tensor(quantity)})
    assert bool(divergence.wrong(found, possible)) == (divergence.faults(found, possible) != [None])
