"""Perceptrons for tests, and the plain definition of what they compute."""

import torch
from torch import Tensor
from torch.nn import functional

from fmq.networks import perceptron

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
