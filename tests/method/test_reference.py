"""Test every equation against values computed in float64 by an independent implementation.

`pytest tests/method/test_reference.py --reference FILE` checks any file of the same layout.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from helpers.networks import critics as small_critics
from helpers.networks import velocity_network
from torch import Tensor

from fmq.data.sequences import SequenceBuffer
from fmq.method import critic as critics
from fmq.method import flow, guidance, samplers
from fmq.networks.ensemble import CriticEnsemble
from fmq.networks.velocity import VelocityNetwork, fourier_features

TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-5}
DISCOUNT = 0.99
WARMUP, ANNEAL_END, INTERVAL_STEP = 5_000, 50_000, 20_000
QGBS = {"eta": 0.3, "rho": 1.5}


class Reference:
    """A reference file and the networks it describes, in one precision."""

    def __init__(self, path, dtype: torch.dtype) -> None:
        self.arrays = dict(np.load(path, allow_pickle=False))
        self.dtype = dtype
        sizes = [int(n) for n in self.arrays["meta/sizes"]]
        self.obs, self.act, self.horizon, self.batch, self.samples, self.hidden = sizes
        self.actor = self.velocity_network("actor")
        self.actor_off = self.velocity_network("actor_off")
        self.critic = self.critic_ensemble("critic")
        self.target = self.critic_ensemble("target")

    def __getitem__(self, key: str) -> Tensor:
        return torch.as_tensor(self.arrays[key]).to(self.dtype)

    def names(self, prefix: str) -> list[str]:
        return [key for key in self.arrays if key.startswith(prefix)]

    def velocity_network(self, name: str) -> VelocityNetwork:
        shape = self.shape(f"param/{name}/kernel") | {"time_features": 64}
        network = velocity_network(self.obs, self.act * self.horizon, **shape).to(self.dtype)
        self.fill_linear(network.layers, name)
        return network

    def shape(self, kernels: str) -> dict[str, int]:
        return {"hidden_width": self.hidden, "hidden_layers": len(self.names(kernels)) - 1}

    def critic_ensemble(self, name: str) -> CriticEnsemble:
        shape = self.shape(f"param/{name}0/kernel")
        ensemble = small_critics(self.obs, self.act * self.horizon, **shape).to(self.dtype)
        for index, member in enumerate(ensemble.critics):
            self.fill_linear(member.layers, f"{name}{index}")
            for layer, norm in enumerate(member.norms):
                norm.weight.data = self[f"param/{name}{index}/ln_scale{layer}"]
                norm.bias.data = self[f"param/{name}{index}/ln_bias{layer}"]
        return ensemble

    def fill_linear(self, layers, name: str) -> None:
        for index, layer in enumerate(layers):
            layer.weight.data = self[f"param/{name}/kernel{index}"].T.contiguous()
            layer.bias.data = self[f"param/{name}/bias{index}"]

    def chunk(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return observations, flattened action chunks and valid flags of the batch."""
        return self["batch/observations"], self["batch/actions"].flatten(1), self["batch/valid"]

    def close(self, value: Tensor, key: str) -> None:
        torch.testing.assert_close(
            value.detach().to(torch.float64),
            torch.as_tensor(self.arrays[key]).to(torch.float64),
            rtol=TOLERANCE[self.dtype],
            atol=TOLERANCE[self.dtype],
            msg=lambda text: f"{key}: {text}",
        )


@pytest.fixture(scope="module", params=[torch.float64, torch.float32], ids=["float64", "float32"])
def reference(request: pytest.FixtureRequest) -> Reference:
    return Reference(request.config.getoption("--reference"), request.param)


def first_kernel_gradient(loss: Tensor, network: torch.nn.Module) -> Tensor:
    """Return the gradient of the first layer's kernel in the file's (in, out) layout."""
    layers = network.layers if isinstance(network, VelocityNetwork) else network.critics[0].layers
    return torch.autograd.grad(loss, layers[0].weight)[0].T


def test_fourier_features(reference: Reference) -> None:
    reference.close(fourier_features(reference["noise/diag_t"], 64), "expect/fourier")


def test_interval_curriculum(reference: Reference) -> None:
    first, second = reference["noise/distill_c1"], reference["noise/distill_c2"]
    for key in reference.names("expect/interval/"):
        step, name = key.split("/")[2:]
        progress = flow.curriculum_progress(int(step.removeprefix("step")), WARMUP, ANNEAL_END)
        r, t = flow.curriculum_interval(first, second, progress)
        reference.close(r if name == "r" else t, key)


def test_diagonal_loss(reference: Reference) -> None:
    *chunk, valid = reference.chunk()
    draws = reference["noise/diag_a0"], reference["noise/diag_t"]
    loss = flow.diagonal_loss(reference.actor, *chunk, *draws, valid=valid)
    reference.close(loss, "expect/diag/loss")
    reference.close(first_kernel_gradient(loss, reference.actor), "expect/diag/grad_kernel0")


@pytest.mark.parametrize("kind", ["esd", "lsd", "psd"])
def test_self_distillation_losses(reference: Reference, kind: str) -> None:
    r, t = flow.curriculum_interval(
        reference["noise/distill_c1"],
        reference["noise/distill_c2"],
        flow.curriculum_progress(INTERVAL_STEP, WARMUP, ANNEAL_END),
    )
    losses: dict[str, Callable] = {
        "esd": flow.esd_loss,
        "lsd": flow.lsd_loss,
        "psd": partial(flow.psd_loss, split=reference["noise/psd_gamma"]),
    }
    *chunk, valid = reference.chunk()
    draws = reference["noise/distill_a0"], r, t
    loss = losses[kind](reference.actor, *chunk, *draws, valid=valid)
    reference.close(loss, f"expect/{kind}/loss")
    reference.close(first_kernel_gradient(loss, reference.actor), f"expect/{kind}/grad_kernel0")


@pytest.mark.parametrize(("name", "beta"), [("fmq_fixed", 0.0), ("fmq_adaptive", 0.3)])
def test_fmq_loss(reference: Reference, name: str, beta: float) -> None:
    *chunk, valid = reference.chunk()
    loss, target = guidance.fmq_loss(
        reference.actor,
        reference.actor_off,
        reference.critic,
        *chunk,
        reference["noise/fmq_a0"],
        reference["noise/fmq_r"],
        eta=1.0,
        beta=beta,
        valid=valid,
    )
    reference.close(loss, f"expect/{name}/loss")
    reference.close(target.velocity, f"expect/{name}/target")
    reference.close(target.eta, f"expect/{name}/eta")
    reference.close(first_kernel_gradient(loss, reference.actor), f"expect/{name}/grad_kernel0")


@pytest.mark.parametrize("how", ["mean", "min"])
def test_critic_loss(reference: Reference, how: str) -> None:
    next_observations, noise = reference["batch/next_observations"], reference["noise/best_of_n_a0"]
    repeated = samplers.repeat_observations(next_observations, noise.shape[1])
    with torch.no_grad():
        candidates = flow.one_step(reference.actor, repeated, noise)
        next_actions = samplers.best_of_n(reference.critic, next_observations, candidates, how)
        chosen = (candidates == next_actions.unsqueeze(1)).all(-1).to(torch.int64).argmax(-1)
        next_values = critics.aggregate(reference.target(next_observations, next_actions), how)
    target = critics.bellman_target(
        reference["batch/rewards"],
        reference["batch/masks"],
        next_values,
        DISCOUNT,
        reference.horizon,
    )
    observations, actions, valid = reference.chunk()
    loss = critics.critic_loss(reference.critic(observations, actions), target, valid[:, -1])
    reference.close(chosen, f"expect/critic_{how}/best_index")
    reference.close(target, f"expect/critic_{how}/target")
    reference.close(loss, f"expect/critic_{how}/loss")
    reference.close(
        first_kernel_gradient(loss, reference.critic), f"expect/critic_{how}/grad_kernel0"
    )


def test_one_step_and_euler(reference: Reference) -> None:
    noise = reference["noise/best_of_n_a0"]
    repeated = samplers.repeat_observations(reference["batch/observations"], noise.shape[1])
    with torch.no_grad():
        reference.close(flow.one_step(reference.actor, repeated, noise), "expect/one_step/actions")
        reference.close(flow.euler(reference.actor, repeated, noise, 10), "expect/euler10/actions")


def test_qgbs(reference: Reference) -> None:
    expected = reference.names("expect/qgbs_")
    assert expected, "the file holds no QGBS results"
    for key in expected:
        budget, completion = key.split("/")[1:]
        prefix = f"noise/{budget}_renoise"
        renoise = [reference[f"{prefix}{k}"] for k in range(len(reference.names(prefix)))]
        with torch.no_grad():
            actions = samplers.qgbs(
                reference.actor,
                reference.critic,
                reference["batch/observations"],
                reference[f"noise/{budget}_a0"],
                renoise,
                completion=completion,
                **QGBS,
            )
        reference.close(actions, key)


def test_chunk_sequences(reference: Reference) -> None:
    count = len(reference["data/rewards"])
    rows = torch.arange(count)
    ends = [reference[f"data/{name}"] for name in ("observations", "next_observations")]
    parts = ("actions", "rewards", "masks", "terminals")
    buffer = SequenceBuffer(
        observations=torch.cat(ends),
        **{name: reference[f"data/{name}"] for name in parts},
        rows=rows,
        next_rows=rows + count,
        capacity=count,
        horizon=reference.horizon,
        discount=DISCOUNT,
    )
    batch = buffer.chunks(torch.as_tensor(reference.arrays["data/index"]))
    reference.close(batch.actions.view(-1, reference.horizon, reference.act), "batch/actions")
    for name in ("observations", "next_observations", "rewards", "masks", "valid"):
        reference.close(getattr(batch, name), f"batch/{name}")
