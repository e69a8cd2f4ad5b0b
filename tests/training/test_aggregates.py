"""How a method combines its critics reaches its record, its critic target and its sampler."""

from itertools import product

import pytest
import torch
from helpers.learners import BATCH, HORIZON, STUDY, TASK, make_learner, random_batch
from torch import Tensor

from fmq.config.reading import study_from_dict
from fmq.config.study import Study
from fmq.methods.making import sampler_of
from fmq.pipeline.runs import Run, make_run
from fmq.training.learner import Learner
from fmq.training.objective import objective_of
from fmq.training.updater import Updater

METHODS = {
    "fmq": "min",
    "mvp": "mean",
    "mvp-no-new-data": "mean",
    "qc": "mean",
    "qc-fql": "mean",
    "bfn": "mean",
    "bfn-n": "mean",
}
STEP = STUDY.offline.steps
REDUCE = {"min": lambda values: values.amin(0), "mean": lambda values: values.mean(0)}


@pytest.fixture(scope="module")
def study() -> Study:
    values = STUDY.model_dump() | {"methods": [*METHODS]}
    values["task_defaults"] |= {"chunk_length": HORIZON, "discount": TASK.discount}
    return study_from_dict(values, "test")


def run_of(study: Study, method: str) -> Run:
    return make_run(study, study.tasks[0], 0, f"finetune-{method}")


@pytest.mark.parametrize("method", METHODS)
def test_each_run_records_its_own(study: Study, method: str) -> None:
    run = run_of(study, method)
    assert run.settings()["critic_target"] == METHODS[method]
    assert run.settings()["parent"]["critic_target"] == "mean"  # offline, as in the released code


def opposed_learner() -> Learner:
    """A learner whose second critic is -0.5 times the first, and so are its target critics.

    The mean follows the first critic, and the minimum is highest where both are near 0.
    """
    learner = make_learner()
    for ensemble in (learner.critic, learner.target):
        first, second = ensemble.critics
        with torch.no_grad():
            for mine, other in zip(second.parameters(), first.parameters(), strict=True):
                mine.copy_(other)
            second.layers[-1].weight.mul_(-0.5)
            second.layers[-1].bias.mul_(-0.5)
    return learner


def critic_losses(learner: Learner, candidates: Tensor) -> dict[tuple[str, str], float]:
    """Return the critic loss for each way to choose the next chunk and to value it."""
    batch, losses = random_batch(), {}
    observations = learner.normalizer(batch.next_observations)
    wide = observations.unsqueeze(1).expand(-1, candidates.shape[1], -1)
    zero = torch.zeros(*candidates.shape[:2], 1)
    with torch.no_grad():
        chunks = (candidates + learner.actor(wide, candidates, zero, zero + 1)).clamp(-1, 1)
        q = learner.critic(learner.normalizer(batch.observations), batch.actions)
        for choice, value in product(REDUCE, REDUCE):
            best = REDUCE[choice](learner.critic(wide, chunks)).argmax(1)
            chosen = chunks[torch.arange(BATCH), best]
            next_value = REDUCE[value](learner.target(observations, chosen))
            target = batch.rewards + TASK.discount**HORIZON * batch.masks * next_value
            losses[choice, value] = float((q - target).square().mean())
    return losses


@pytest.mark.parametrize("method", ["fmq", "mvp", "mvp-no-new-data"])
def test_it_reaches_the_critic_target_and_the_choice_in_an_update(
    study: Study, method: str
) -> None:
    run, learner, how = run_of(study, method), opposed_learner(), METHODS[method]
    objective = objective_of(run, sampler_of(run, run.sampler))
    before = learner.generator.get_state()
    expected = critic_losses(learner, learner.draw(BATCH, objective).candidates)
    learner.generator.set_state(before)
    (row,) = Updater([learner], objective).update([random_batch()], STEP, measure=True)
    near = {how for how, loss in expected.items() if row["critic_loss"] == pytest.approx(loss)}
    assert near == {(how, how)}
