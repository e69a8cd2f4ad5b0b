"""Test gradients in the inputs of an MLP against autograd."""

import pytest
import torch
from helpers.networks import critics
from helpers.perceptrons import FLOAT32, layers, random

from fmq.method.guidance import value_and_gradient, values_then_gradient
from fmq.networks import fused, perceptron
from fmq.networks.pullback import pullback


@pytest.mark.parametrize("activation", perceptron.ACTIVATIONS)
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("rows", [3, 2 * perceptron.FEW // 16])
def test_cotangents_of_inputs_are_autograds(activation: str, norm: bool, rows: int) -> None:
    doubled = [[(a.double(), b.double()) for a, b in part] for part in layers(16, norm)]
    linear, norms = doubled
    x = random(rows, 7, dtype=torch.float64).requires_grad_(True)
    cotangents = random(rows, 3, seed=1, dtype=torch.float64)
    expected = perceptron.forward(x, linear, norms, activation)
    transposed = [weight.t() for weight, _ in linear]
    outputs, pull = pullback(x.detach(), linear, norms, activation, transposed)
    torch.testing.assert_close(outputs, expected.detach())
    torch.testing.assert_close(pull(cotangents), torch.autograd.grad(expected, x, cotangents)[0])


@pytest.mark.parametrize("how", ["first", "min", "mean"])
@pytest.mark.parametrize("prepared", [False, True])
def test_a_critics_own_gradient_is_autograds(how: str, prepared: bool) -> None:
    critic = critics(5, 6, hidden_width=fused.FUSED_WIDTH)
    obs, actions = random(3, 5), random(3, 6, seed=1)
    expected = value_and_gradient(lambda *inputs: critic(*inputs), obs, actions, how)
    if prepared:
        critic.prepare()
    found = value_and_gradient(critic, obs, actions, how)
    torch.testing.assert_close(found, expected, **FLOAT32)


@pytest.mark.parametrize("how", ["min", "mean"])
@pytest.mark.parametrize("prepared", [False, True])
def test_the_gradient_at_chosen_rows_is_autograds(how: str, prepared: bool) -> None:
    critic = critics(5, 6, hidden_width=fused.FUSED_WIDTH)
    obs, actions, rows = random(2, 4, 5), random(2, 4, 6, seed=1), torch.tensor([6, 0, 3])
    expected, expected_at = values_then_gradient(lambda *inputs: critic(*inputs), obs, actions, how)
    if prepared:
        critic.prepare()
    found, found_at = values_then_gradient(critic, obs, actions, how)
    torch.testing.assert_close(found, expected.detach(), **FLOAT32)
    torch.testing.assert_close(found_at(rows), expected_at(rows), **FLOAT32)


def test_critics_in_bfloat16_have_gradients_too() -> None:
    critic = critics(5, 6)
    obs, actions = random(3, 5), random(3, 6, seed=1)
    values, gradient = value_and_gradient(critic, obs, actions, "min")
    rounded = value_and_gradient(critic.bfloat16(), obs, actions, "min")
    assert [one.dtype for one in rounded] == [torch.float32, torch.float32]
    torch.testing.assert_close(rounded[0], values, rtol=0.02, atol=0.02)
    torch.testing.assert_close(rounded[1], gradient, rtol=0.1, atol=0.02)
