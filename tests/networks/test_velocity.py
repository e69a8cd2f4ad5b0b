"""Test shapes, initial weights and time features of the networks."""

import math
from functools import partial

import pytest
import torch
from helpers import networks
from torch import Tensor, nn

from fmq.networks.velocity import fourier_features

OBS, ACTION, WIDTH = 5, 6, 16
velocity_network = partial(networks.velocity_network, OBS, ACTION, hidden_layers=3, time_features=8)
critics = partial(networks.critics, OBS, ACTION, hidden_layers=3)


def inputs(*leading: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    parts = torch.randn(*leading, OBS + ACTION, generator=generator).split([OBS, ACTION], -1)
    r, t = torch.rand(2, *leading, 1, generator=generator)
    return *parts, r, t


@pytest.mark.parametrize("leading", [(), (4,), (4, 3), (2, 4, 3)])
def test_leading_dimensions_are_kept(leading: tuple[int, ...]) -> None:
    obs, actions, r, t = inputs(*leading)
    assert velocity_network()(obs, actions, r, t).shape == (*leading, ACTION)
    assert critics()(obs, actions).shape == (2, *leading)


def test_rows_are_independent() -> None:
    obs, actions, r, t = inputs(4, 3)
    network, ensemble = velocity_network(), critics()
    one = (obs[2, 1], actions[2, 1], r[2, 1], t[2, 1])
    torch.testing.assert_close(network(obs, actions, r, t)[2, 1], network(*one))
    torch.testing.assert_close(ensemble(obs, actions)[:, 2, 1], ensemble(*one[:2]))


def test_fourier_features_of_known_times() -> None:
    assert fourier_features(torch.zeros(2, 1), 6).tolist() == [[1, 1, 1, 0, 0, 0]] * 2
    features = fourier_features(torch.tensor([[0.5]], dtype=torch.float64), 6)[0]
    frequencies = [1, 1 / 100, 1 / 10_000]  # 10000^(-i / 2)
    expected = [f(0.5 * w) for f in (math.cos, math.sin) for w in frequencies]
    assert features.tolist() == pytest.approx(expected, rel=1e-12)
    assert fourier_features(torch.tensor([0.5]), 2).tolist() == pytest.approx(
        [math.cos(0.5), math.sin(0.5)]
    )


@pytest.mark.parametrize("features", [0, 8])
def test_the_two_times_are_told_apart(features: int) -> None:
    obs, actions, r, t = inputs(4)
    network = velocity_network(time_features=features)
    plain = network(obs, actions, r, t)
    assert not torch.allclose(plain, network(obs, actions, t, r))
    assert not torch.allclose(plain, network(obs, actions, r, r))


def test_without_time_features_the_times_go_in_as_they_are() -> None:
    network = velocity_network(time_features=0, hidden_layers=1)
    obs, actions, r, t = inputs(4)
    first, last = network.layers
    hidden = torch.cat([obs, actions, r, t], -1) @ first.weight.T
    expected = nn.functional.gelu(hidden, approximate="tanh") @ last.weight.T
    torch.testing.assert_close(network(obs, actions, r, t), expected)


@pytest.mark.parametrize("activation", ["gelu", "silu"])
@pytest.mark.parametrize("features", [0, 8])
def test_its_own_derivative_is_that_of_automatic_differentiation(
    activation: str, features: int
) -> None:
    network = velocity_network(activation=activation, time_features=features).double()
    obs, *primals = (value.double() for value in inputs(7, 3))
    tangents = tuple(torch.cos(10 * value) for value in primals)  # any direction
    value, derivative = network.jvp(obs, tuple(primals), tangents)
    expected = torch.func.jvp(partial(network, obs), tuple(primals), tangents)
    torch.testing.assert_close((value, derivative), expected, rtol=1e-10, atol=1e-12)
    assert (derivative.abs() > 1e-6).all()


def linear_layers(network: nn.Module) -> list[nn.Linear]:
    return [module for module in network.modules() if isinstance(module, nn.Linear)]


@pytest.mark.parametrize("make", [velocity_network, critics])
def test_initial_weights_are_uniform_in_the_fan_average_bound(make) -> None:
    layers = linear_layers(make(hidden_width=64))
    assert layers
    for layer in layers:
        bound = math.sqrt(6 / (layer.in_features + layer.out_features))
        weight = layer.weight.detach()
        assert weight.abs().max() <= bound
        assert weight.abs().max() > 0.9 * bound
        assert weight.std() == pytest.approx(bound / math.sqrt(3), rel=0.15)
        assert (layer.bias == 0).all()


def test_critics_normalise_after_the_activation() -> None:
    """The last hidden layer of each critic has mean 0 and variance 1 over its units."""
    rows = torch.cat(inputs(4)[:2], -1)
    for member in critics().critics:
        last = nn.Linear(WIDTH, WIDTH)
        nn.init.eye_(last.weight)
        nn.init.zeros_(last.bias)
        hidden = member.outputs(rows, [*member.linear[:-1], (last.weight, last.bias)])
        torch.testing.assert_close(hidden.mean(-1), torch.zeros(4), rtol=0, atol=1e-5)
        torch.testing.assert_close(hidden.var(-1, correction=0), torch.ones(4), rtol=1e-3, atol=0)


def test_the_two_critics_differ() -> None:
    first, second = critics()(*inputs(4)[:2])
    assert ((first - second).abs() > 1e-3).all()


@pytest.mark.parametrize("make", [velocity_network, critics])
def test_weights_come_from_the_generator_alone(make) -> None:
    torch.manual_seed(1)
    first = nn.utils.parameters_to_vector(make(seed=3).parameters())
    torch.manual_seed(2)
    assert torch.equal(first, nn.utils.parameters_to_vector(make(seed=3).parameters()))
    assert not torch.equal(first, nn.utils.parameters_to_vector(make(seed=4).parameters()))
