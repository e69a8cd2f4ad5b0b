"""The fast ways through a multilayer perceptron give the numbers of the plain one."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from fmq import perceptron
from fmq.guidance import value_and_gradient
from fmq.networks import MANY_ROWS, CriticEnsemble, VelocityNetwork

FLOAT32 = {"rtol": 1e-5, "atol": 1e-5}


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def layers(width: int, norm: bool) -> tuple[perceptron.Pairs, perceptron.Pairs]:
    """Two hidden layers and an output of three, from seven inputs."""
    sizes = [(width, 7), (width, width), (3, width)]
    linear = [
        (random(*size, seed=k) / size[1] ** 0.5, random(size[0])) for k, size in enumerate(sizes)
    ]
    gains = [(1 + random(width, seed=9) / 4, random(width, seed=8))] * 2
    return linear, gains if norm else []


def plain(x: Tensor, linear: perceptron.Pairs, norms: perceptron.Pairs, activation: str) -> Tensor:
    """The definition, in float64."""
    x = x.double()
    for number, (weight, bias) in enumerate(linear):
        x = x @ weight.T.double() + bias.double()
        if number == len(linear) - 1:
            return x
        x = functional.silu(x) if activation == "silu" else functional.gelu(x, approximate="tanh")
        if norms:
            gain, shift = norms[number]
            x = functional.layer_norm(x, gain.shape, gain.double(), shift.double(), 1e-6)
    raise AssertionError


@pytest.mark.parametrize("activation", perceptron.ACTIVATIONS)
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("width", [16, perceptron.FUSED_WIDTH])
@pytest.mark.parametrize("rows", [1, perceptron.FUSED_ROWS, perceptron.TILE + 5])
def test_both_ways_are_the_definition(activation: str, norm: bool, width: int, rows: int) -> None:
    arguments = (random(rows, 7), *layers(width, norm), activation)
    expected = plain(*arguments).float()
    torch.testing.assert_close(perceptron.forward(*arguments), expected, **FLOAT32)
    torch.testing.assert_close(perceptron.infer(*arguments), expected, **FLOAT32)


def test_leading_dimensions_are_kept_over_the_edges_of_tiles() -> None:
    arguments = (*layers(perceptron.FUSED_WIDTH, True), "gelu")
    x = random(3, perceptron.TILE // 2, 7)
    rows = perceptron.infer(x.flatten(0, 1), *arguments)
    assert torch.equal(perceptron.infer(x, *arguments), rows.view(3, -1, 3))


@pytest.mark.parametrize("size", [100, 2 * perceptron.FEW])
def test_gelu_is_torchs(size: int) -> None:
    x = torch.linspace(-12, 12, size, dtype=torch.float64)
    expected = functional.gelu(x, approximate="tanh")
    torch.testing.assert_close(perceptron.gelu(x), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("activation", perceptron.ACTIVATIONS)
def test_tangents_are_derivatives(activation: str) -> None:
    x, tangent = random(2, 50, dtype=torch.float64) * 3
    expected = torch.func.jvp(perceptron.ACTIVATIONS[activation], (x,), (tangent,))[1]
    found = perceptron.TANGENTS[activation](x, tangent)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("rows", [1, perceptron.FUSED_ROWS, perceptron.TILE + 5])
def test_prepared_layers_are_the_same_layers(norm: bool, rows: int) -> None:
    linear, norms = layers(perceptron.FUSED_WIDTH, norm)
    expected = plain(random(rows, 7), linear, norms, "gelu").float()
    prepared = perceptron.prepare(linear)
    assert prepared[0][0].is_mkldnn
    found = perceptron.infer(random(rows, 7), prepared, norms, "gelu")
    torch.testing.assert_close(found, expected, **FLOAT32)


def test_a_prepared_critic_still_has_gradients() -> None:
    shape = {"hidden_width": perceptron.FUSED_WIDTH, "hidden_layers": 2, "activation": "gelu"}
    critic = CriticEnsemble(5, 6, **shape, generator=torch.Generator().manual_seed(0))
    obs, actions = random(3, 5), random(3, 6, seed=1)
    before = value_and_gradient(critic, obs, actions, lambda values: torch.minimum(*values))
    critic.prepare()
    after = value_and_gradient(critic, obs, actions, lambda values: torch.minimum(*values))
    torch.testing.assert_close(after, before, **FLOAT32)
    with torch.no_grad():
        torch.testing.assert_close(critic(obs, actions), before[0], **FLOAT32)


def test_bfloat16_rounds_hidden_layers_and_gives_float32() -> None:
    """The critics' values lie closer together than its steps."""
    linear, norms = layers(perceptron.FUSED_WIDTH, True)
    x = random(perceptron.TILE + 5, 7)
    expected = plain(x, linear, norms, "gelu").float()
    rounded = [[(a.bfloat16(), b.bfloat16()) for a, b in part] for part in (linear, norms)]
    found = perceptron.infer(x.bfloat16(), *rounded, "gelu")
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0, atol=0.2)
    assert (found - found.bfloat16()).abs().max() > 0


@pytest.mark.parametrize("features", [0, 8])
@pytest.mark.parametrize(
    ("rows", "width"),
    [(4, 16), (MANY_ROWS, 16), (perceptron.TILE + 5, perceptron.FUSED_WIDTH)],
)
@torch.no_grad()
def test_times_shared_by_all_rows_are_the_same_as_one_each(
    features: int, rows: int, width: int
) -> None:
    network = VelocityNetwork(
        5,
        6,
        hidden_width=width,
        hidden_layers=2,
        activation="gelu",
        time_features=features,
        generator=torch.Generator().manual_seed(0),
    ).requires_grad_(False)
    nn.init.normal_(network.layers[0].bias, generator=torch.Generator().manual_seed(1))
    obs, actions = random(rows, 5), random(rows, 6, seed=1)
    r, t = torch.tensor([0.25]), torch.tensor([0.75])
    each = network(obs, actions, r.expand(rows, 1), t.expand(rows, 1))
    torch.testing.assert_close(network(obs, actions, r, t), each, **FLOAT32)
