"""Nothing of an update crosses between a GPU and the host, shown on tensors without numbers.

Meta tensors stand for those of a GPU: they are on a device of their own, take the paths of devices
other than CPUs, and refuse to give a number. torch's fake CUDA tensors would be nearer, but plain
autograd asks for their device, and ends the process where there is none.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from helpers.learners import (
    ACTION,
    HORIZON,
    NORMALIZER,
    OBS,
    STUDY,
    make_learner,
    objective,
    random_batch,
)
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from fmq.acting.policy import Policy
from fmq.config.samplers import SAMPLERS, sampler_numbers
from fmq.config.study import Study
from fmq.data.normalization import Normalizer
from fmq.methods import mvp, qc
from fmq.methods.losses import ActorInputs, ActorLoss
from fmq.methods.samplers import make_sampler
from fmq.training.learner import Learner
from fmq.training.updater import Updater, _stack


def decayed(inputs: ActorInputs) -> tuple[Tensor, dict[str, Tensor]]:
    """A loss as a user writes it."""
    matching, _ = qc.actor_loss().loss(inputs)
    decay = sum(number.square().sum() for number in inputs.velocity.parameters())
    return matching + 1e-3 * decay, {"decay": decay}


def changed(section: str, **values: Any) -> Study:
    return STUDY.model_copy(update={section: getattr(STUDY, section).model_copy(update=values)})


AUTHORS = {"activation": "gelu", "time_features": 8}
LOSSES = {
    "diagonal": "diagonal",
    "esd": "flow_map",
    "lsd": mvp.actor_loss(distillation="lsd"),
    "psd": mvp.actor_loss(distillation="psd"),
    "fmq": "fmq",
    "fql": "fql",
    "own": ActorLoss(1, 1, decayed),
}
STUDIES = {
    "plain": STUDY,
    "as the paper's": changed("networks", **AUTHORS),
    "rounded": changed("training", selection="bfloat16"),
    "all terms": changed("fmq", gradient_at="online", diagonal_weight=1.0, distillation_weight=1.0),
}
CASES = [(loss, "plain") for loss in LOSSES] + [("fmq", name) for name in [*STUDIES][1:]]
ALONE = [(*case, 1) for case in CASES]
STACKED = [
    pytest.param(*case, 2, marks=[pytest.mark.slow] * (case[0] != "own"))  # 2 s each
    for case in CASES
]


class Crossing(TorchDispatchMode):
    """Refuses every operation between the host and the device.

    A tensor of shape () on the host is allowed beside tensors of the device: kernels take it as
    an argument, as they take a number.
    """

    def __torch_dispatch__(
        self, operation: Any, types: Any, arguments: Any = (), named: Any = None
    ) -> Any:
        results = operation(*arguments, **(named or {}))
        given, made = _tensors((arguments, named)), _tensors(results)
        copied = "copy" in str(operation) and len({one.is_cpu for one in given + made}) > 1
        moved = {one.is_cpu for one in made} - {one.is_cpu for one in given or made}
        wide = any(one.is_cpu and one.ndim for one in given + made)
        if copied or moved or wide:
            raise AssertionError(f"{operation} crosses between the host and the device")
        return results


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


class HostGenerator(torch.Generator):
    """A generator of any device: there is none for tensors without numbers."""

    def __new__(cls, device: object = "cpu") -> "HostGenerator":
        return super().__new__(cls, "cpu")


@pytest.fixture(autouse=True)
def _no_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw with generators of the host, and make networks where they belong."""
    monkeypatch.setattr(torch, "Generator", HostGenerator)
    # Moving a module to "meta" would give it new parameters.
    monkeypatch.setattr(torch.nn.Module, "to", lambda network, _: network)


def there(tensor: Tensor) -> Tensor:
    return torch.empty_like(tensor, device="meta")


def learner_there(study: Study) -> Learner:
    """Make a learner whose networks are on the other device, from their first number on."""
    normalizer = Normalizer(*map(there, NORMALIZER))
    with normalizer.mean.device:
        return make_learner(study, normalizer=normalizer)


@pytest.mark.parametrize(("loss", "study", "count"), ALONE + STACKED)
def test_no_update_crosses_to_the_host(loss: str, study: str, count: int) -> None:
    learners = [learner_there(STUDIES[study]) for _ in range(count)]
    updater = Updater(learners, objective(LOSSES[loss], learners[0]))
    batch = tree_map(there, _stack([random_batch(number) for number in range(count)]))
    progress = there(torch.ones(()))
    updater._advance(batch, progress)  # the first update of several seeds is also traced
    with Crossing():
        found, signs = updater._advance(batch, progress)
    assert found.vectors.shape == updater.vectors.weights.shape
    assert signs.numbers.shape == (count, len(signs.names) + 2)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("name", SAMPLERS)
def test_acting_does_not_cross_before_its_chunks_do(name: str, count: int) -> None:
    """Neither in training, nor with the prepared weights of an evaluation."""
    learner = learner_there(STUDIES["as the paper's"])
    sampler = make_sampler(name, "min", **sampler_numbers(name, STUDY.sampling))
    networks, chunk = (learner.actor, learner.critic), (HORIZON, ACTION)
    policy = Policy(*networks, learner.normalizer, sampler, learner.generator, chunk)
    observations = there(torch.zeros(count, OBS))
    for prepared in (False, True):
        if prepared:
            for network in networks:
                network.prepare()
        with Crossing(), torch.inference_mode():
            assert policy.decide(observations).shape == (count, HORIZON * ACTION)


@pytest.mark.parametrize(
    "cross",
    [
        lambda loss: loss * float(loss.detach()),
        lambda loss: loss * loss.detach().cpu(),
        lambda loss: loss * torch.ones(3).sum(),
        lambda loss: loss * torch.tensor(2.0).to(loss.device),
        lambda loss: loss * torch.empty_like(loss).copy_(torch.tensor(2.0)),
        lambda loss: loss if loss > 0 else 2 * loss,
    ],
    ids=["number", "to the host", "vector", "from the host", "copy", "branch"],
)
def test_what_crosses_is_noticed(cross: Callable[[Tensor], Tensor]) -> None:
    def crossing(inputs: ActorInputs) -> tuple[Tensor, dict[str, Tensor]]:
        matching, _ = qc.actor_loss().loss(inputs)
        return cross(matching), {}

    learner = learner_there(STUDY)
    updater = Updater([learner], objective(ActorLoss(1, 1, crossing), learner))
    batch = tree_map(there, _stack([random_batch()]))
    with Crossing(), pytest.raises((AssertionError, RuntimeError)):
        updater._advance(batch, there(torch.ones(())))
