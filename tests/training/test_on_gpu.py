"""Updates on a real GPU, in every way of running them; skipped where there is none."""

import numpy as np
import pytest
import torch
from helpers.learners import (
    ACTION,
    BATCH,
    HORIZON,
    NORMALIZER,
    STEP,
    make_buffer,
    make_learner,
    objective,
)
from torch import Tensor

from fmq.acting.policy import Policy
from fmq.data.normalization import Normalizer
from fmq.training.capturing import WARM_UP, capture_acting
from fmq.training.learner import Learner
from fmq.training.updater import Updater

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
DEVICE = "cuda:0"
UPDATES = 20
SETTLED = 14  # updates after which nothing is compiled, recorded or allocated for the first time


def make_learners(count: int) -> list[Learner]:
    normalizer = Normalizer(*(part.to(DEVICE) for part in NORMALIZER))
    return [make_learner(init=seed, noise=seed, normalizer=normalizer) for seed in range(count)]


def train(loss: str, count: int, how: dict[str, bool], stop: int | None = None) -> Tensor:
    """Return all weights after some updates, which learners of their own go on with at `stop`.

    Once everything has happened once, waiting for the device is an error.
    """
    buffer, batches = make_buffer(DEVICE), torch.Generator(DEVICE).manual_seed(1)
    learners = make_learners(count)
    updater = Updater(learners, objective(loss, learners[0]), **how)
    for step in range(UPDATES):
        if step == stop:
            updater.settle()
            others = make_learners(count)
            for mine, theirs in zip(others, learners, strict=True):
                mine.load_state(theirs.state())
                mine.generator.set_state(theirs.generator.get_state())
            learners = others
            updater = Updater(learners, objective(loss, learners[0]), **how)
        sampled = [buffer.sample(BATCH, batches) for _ in learners]
        torch.cuda.set_sync_debug_mode("error" if step > SETTLED else "default")
        try:
            updater.update(sampled, STEP + step)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    updater.settle()
    return updater.vectors.weights.clone()


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("loss", ["flow_map", "fmq"])
@pytest.mark.parametrize("compile", [False, True])
def test_updates_are_the_eager_ones_and_resume(loss: str, count: int, compile: bool) -> None:
    torch.cuda.set_device(DEVICE)
    start = torch.stack([one.vectors.weights for one in make_learners(count)])
    eager = train(loss, count, {"capture": False, "compile": False})
    for capture in (False, True):
        how = {"capture": capture, "compile": compile}
        found = train(loss, count, how)
        assert (found - eager).norm() < 0.05 * (eager - start).norm()
        assert torch.equal(train(loss, count, how, stop=UPDATES // 2), found)


def test_a_policy_acts_by_a_recording() -> None:
    torch.cuda.set_device(DEVICE)
    (learner,) = make_learners(1)
    aim, chunks = objective("fmq", learner), []
    for recording in (False, True):
        noise = torch.Generator(DEVICE).manual_seed(0)
        networks, shape = (learner.actor, learner.critic), (HORIZON, ACTION)
        policy = Policy(*networks, learner.normalizer, aim.sampler, noise, shape)
        if recording:
            capture_acting(policy)
        observations = np.random.default_rng(0).normal(size=(WARM_UP + 3, 1, 4))
        chunks.append(np.concatenate([policy.act(one) for one in observations]))
    np.testing.assert_allclose(chunks[1], chunks[0], atol=1e-5)
