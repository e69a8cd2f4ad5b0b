"""Test that the fast forward passes of an MLP agree with the plain one."""

import pytest
import torch
from helpers.networks import velocity_network
from helpers.perceptrons import FLOAT32, layers, plain, random
from torch import nn
from torch.nn import functional

from fmq.networks import fused, perceptron
from fmq.networks.velocity import MANY_ROWS


@pytest.mark.parametrize("activation", perceptron.ACTIVATIONS)
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("width", [16, fused.FUSED_WIDTH])
@pytest.mark.parametrize("rows", [1, fused.FUSED_ROWS, fused.TILE + 5])
def test_both_ways_are_the_definition(activation: str, norm: bool, width: int, rows: int) -> None:
    arguments = (random(rows, 7), *layers(width, norm), activation)
    expected = plain(*arguments).float()
    torch.testing.assert_close(perceptron.forward(*arguments), expected, **FLOAT32)
    torch.testing.assert_close(fused.infer(*arguments), expected, **FLOAT32)


@pytest.mark.parametrize("size", [100, 2 * perceptron.FEW])
def test_gelu_is_torchs(size: int) -> None:
    x = torch.linspace(-12, 12, size, dtype=torch.float64)
    expected = functional.gelu(x, approximate="tanh")
    torch.testing.assert_close(perceptron.gelu(x), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("activation", perceptron.ACTIVATIONS)
def test_tangents_are_derivatives(activation: str) -> None:
    x, tangent = random(2, 50, dtype=torch.float64) * 3
    expected = torch.func.jvp(perceptron.ACTIVATIONS[activation].plain, (x,), (tangent,))[1]
    found = perceptron.ACTIVATIONS[activation].tangent(x, tangent)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("features", [0, 8])
@pytest.mark.parametrize(
    ("rows", "width"),
    [(4, 16), (MANY_ROWS, 16), (fused.TILE + 5, fused.FUSED_WIDTH)],
)
@torch.no_grad()
def test_times_shared_by_all_rows_are_the_same_as_one_each(
    features: int, rows: int, width: int
) -> None:
    network = velocity_network(5, 6, hidden_width=width, time_features=features)
    network.requires_grad_(False)
    nn.init.normal_(network.layers[0].bias, generator=torch.Generator().manual_seed(1))
    obs, actions = random(rows, 5), random(rows, 6, seed=1)
    r, t = torch.tensor([0.25]), torch.tensor([0.75])
    each = network(obs, actions, r.expand(rows, 1), t.expand(rows, 1))
    torch.testing.assert_close(network(obs, actions, r, t), each, **FLOAT32)
    network.prepare()
    network(obs, actions, t, t)  # layers cached for other times must not be reused
    for _ in range(2):
        torch.testing.assert_close(network(obs, actions, r, t), each, **FLOAT32)
