"""Perceptrons as modules, and the average-velocity network."""

import copy
import math
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from fmq import fused, perceptron

MANY_ROWS = 256  # from which on it pays to take out of the first layer what is the same for all


def fourier_features(time: Tensor, size: int) -> Tensor:
    """Fixed sinusoidal features of a flow time (section 5 of the paper, appendix on networks).

    Args:
        time: flow times in [0, 1], shape (..., 1).
        size: even number of features.

    Returns:
        cos, then sin, of time * 10000^(-i / (size/2 - 1)), shape (..., size).
    """
    angles = time * fourier_frequencies(time, size)
    return torch.cat([angles.cos(), angles.sin()], -1)


def fourier_frequencies(time: Tensor, size: int) -> Tensor:
    """10000^(-i / (size/2 - 1)) for i = 0 .. size/2 - 1, with the type and device of `time`."""
    half = size // 2
    index = torch.arange(half, dtype=time.dtype, device=time.device)
    return torch.exp(index * (-math.log(10_000.0) / max(half - 1, 1)))


def fourier_tangent(time: Tensor, tangent: Tensor, size: int) -> Tensor:
    """Derivative of `fourier_features` at `time` along `tangent`, shape (..., size)."""
    frequencies = fourier_frequencies(time, size)
    angles, along = time * frequencies, tangent * frequencies
    return torch.cat([-angles.sin() * along, angles.cos() * along], -1)


def linear_layers(sizes: list[int], generator: torch.Generator) -> nn.ModuleList:
    """Linear layers with variance-scaling (fan-average, uniform) weights and zero biases."""
    layers = [nn.Linear(inputs, outputs) for inputs, outputs in pairwise(sizes)]
    for layer in layers:
        nn.init.xavier_uniform_(layer.weight, generator=generator)
        nn.init.zeros_(layer.bias)
    return nn.ModuleList(layers)


class MultilayerPerceptron(nn.Module):
    """Linear layers, an activation after each hidden one and, if wanted, a layer norm after it."""

    def __init__(
        self, sizes: list[int], activation: str, *, norm: bool, generator: torch.Generator
    ) -> None:
        """`sizes` are the inputs, the units of each hidden layer, and the outputs."""
        super().__init__()
        self.activation = activation
        self.layers = linear_layers(sizes, generator)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in sizes[1:-1] if norm)
        # The same parameters, as lists: to look them up through modules takes longer than some use.
        self.linear, self.gains = pairs(self.layers), pairs(self.norms)
        self.prepared: perceptron.Pairs | None = None

    def prepare(self) -> None:
        """Take the weights as final: what wants no gradient is then faster, above all in few rows.

        For acting with a finished policy; a later change of the weights would not be seen.
        """
        self.prepared = fused.prepare(self.linear)

    def with_weights(self, vector: Tensor) -> Self:
        """This network as a function of its weights: a copy that computes with those of `vector`.

        They are in the order of `parameters()`, and in any precision; for `torch.func`, and its
        `vmap` over the weights of several such networks.
        """
        sizes = [parameter.numel() for parameter in self.parameters()]
        pairs = zip(vector.split(sizes), self.parameters(), strict=True)
        parts = [part.view_as(parameter) for part, parameter in pairs]
        numbers = iter(parts)
        other = copy.copy(self)
        # A loss may look at the weights; those of the modules inside would be this network's.
        other._modules = {}
        other.parameters = lambda recurse=True: iter(parts)  # type: ignore[method-assign]
        other.linear = [(next(numbers), next(numbers)) for _ in self.linear]
        other.gains = [(next(numbers), next(numbers)) for _ in self.gains]
        return other

    def outputs(self, x: Tensor, layers: perceptron.Pairs | None = None) -> Tensor:
        """Outputs (..., out) of inputs (..., in), through other `layers` than its own if given.

        With weights in bfloat16, inputs are rounded, and outputs are float32.
        """
        x = x.to(self.linear[0][0].dtype)
        if torch.is_grad_enabled():
            return perceptron.forward(x, layers or self.linear, self.gains, self.activation)
        layers = layers or self.prepared or self.linear
        return fused.infer(x, layers, self.gains, self.activation)


class VelocityNetwork(MultilayerPerceptron):
    """Average velocity u_{r,t}(a_r | s): an MLP on [s, a_r, phi(r), phi(t)].

    Its diagonal u_{t,t} is the instantaneous velocity of a flow-matching policy; the flow map is
    X_{r,t}(a_r | s) = a_r + (t - r) u_{r,t}(a_r | s).
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        *,
        hidden_width: int,
        hidden_layers: int,
        activation: str,
        time_features: int,
        generator: torch.Generator,
    ) -> None:
        """`action_size` is H * A, a flattened chunk; `time_features` 0 feeds r and t raw."""
        inputs = observation_size + action_size + 2 * (time_features or 1)
        sizes = [inputs, *[hidden_width] * hidden_layers, action_size]
        super().__init__(sizes, activation, norm=False, generator=generator)
        self.time_features = time_features
        self.prepared_at: dict[tuple[float, float], perceptron.Pairs] = {}

    def prepare(self) -> None:
        """As of every perceptron."""
        super().prepare()
        self.prepared_at = {}

    def forward(self, observations: Tensor, actions: Tensor, r: Tensor, t: Tensor) -> Tensor:
        """Velocities of shape (..., H*A) from (..., O), (..., H*A), (..., 1) and (..., 1).

        Times of shape (1,) are those of all rows.
        """
        rows = actions.shape[:-1]
        shared = r.ndim == 1 < actions.ndim
        if shared and (self.prepared or rows.numel() >= MANY_ROWS):
            return self.outputs(torch.cat([observations, actions], -1), self.layers_at(r, t))
        times = [self._features(r), self._features(t)]
        if shared:
            times = [time.expand(*rows, -1) for time in times]
        return self.outputs(torch.cat([observations, actions, *times], -1))

    def layers_at(self, r: Tensor, t: Tensor) -> perceptron.Pairs:
        """Layers for [s, a_r] alone, at times of shape (1,).

        Prepared ones are kept: samplers ask for the same few times again and again.
        """
        if self.prepared is None:
            return [self.absorbing(r, t), *self.linear[1:]]
        times = float(r), float(t)
        if times not in self.prepared_at:
            (first, _) = fused.prepare([self.absorbing(r, t), self.linear[-1]])
            self.prepared_at[times] = [first, *self.prepared[1:]]
        return self.prepared_at[times]

    def absorbing(self, r: Tensor, t: Tensor) -> perceptron.Layer:
        """The first layer for [s, a_r] alone."""
        return absorb(self.linear[0], torch.cat([self._features(r), self._features(t)]))

    def jvp(
        self,
        observations: Tensor,
        primals: tuple[Tensor, Tensor, Tensor],
        tangents: tuple[Tensor, Tensor, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Velocity and its derivative in (actions, r, t) along `tangents`, both (..., H*A).

        The same numbers as `torch.func.jvp`, which takes four times as long here because it runs
        linear layers through Python. No gradient flows through the derivative.
        """
        actions, r, t = primals
        x = torch.cat([observations, actions, self._features(r), self._features(t)], -1)
        *hidden, (last, bias) = self.linear
        before = []  # the activations' inputs
        for layer in hidden:
            before.append(functional.linear(x, *layer))
            x = perceptron.ACTIVATIONS[self.activation](before[-1])
        with torch.no_grad():
            features = [self._features(*pair) for pair in zip((r, t), tangents[1:], strict=True)]
            dx = torch.cat([tangents[0], *features], -1)
            tangent = perceptron.TANGENTS[self.activation]
            for (weight, _), z in zip(hidden, before, strict=True):
                # Observations stand still: the first layer has fewer inputs that move.
                dx = tangent(z, functional.linear(dx, weight[:, -dx.shape[-1] :]))
            derivative = functional.linear(dx, last)
        return functional.linear(x, last, bias), derivative

    def _features(self, time: Tensor, tangent: Tensor | None = None) -> Tensor:
        """Of a time, or their derivative along its tangent."""
        if not self.time_features:
            return time if tangent is None else tangent
        if tangent is None:
            return fourier_features(time, self.time_features)
        return fourier_tangent(time, tangent, self.time_features)


def absorb(layer: tuple[Tensor, Tensor], last: Tensor) -> tuple[Tensor, Tensor]:
    """A linear layer without its last inputs, whose values are `last`: its bias absorbs them."""
    weight, bias = layer
    rest = weight.shape[1] - len(last)
    absorbed = torch.addmv(bias, weight[:, rest:], last.to(weight.dtype))
    return weight[:, :rest].contiguous(), absorbed


def pairs(modules: nn.ModuleList) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of each module."""
    return [(module.weight, module.bias) for module in modules]  # type: ignore[misc]
