"""MLPs as torch modules, and the average-velocity network."""

import copy
import math
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from fmq.networks import fused, layout, perceptron

MANY_ROWS = 256  # rows from which it pays to absorb shared flow times into the first layer's bias


def fourier_features(time: Tensor, size: int) -> Tensor:
    """Compute fixed sinusoidal features of a flow time (paper, section 5 and network appendix).

    Args:
        time: flow times in [0, 1], shape (..., 1).
        size: even number of features.

    Returns:
        The cosines, then the sines, of time * 10000^(-i / (size/2 - 1)), shape (..., size).
    """
    angles = time * fourier_frequencies(time, size)
    return torch.cat([angles.cos(), angles.sin()], -1)


def fourier_frequencies(time: Tensor, size: int) -> Tensor:
    """Return 10000^(-i / (size/2 - 1)), i = 0 .. size/2 - 1, in the dtype and device of `time`."""
    half = size // 2
    index = torch.arange(half, dtype=time.dtype, device=time.device)
    return torch.exp(index * (-math.log(10_000.0) / max(half - 1, 1)))


def fourier_tangent(time: Tensor, tangent: Tensor, size: int) -> Tensor:
    """Return the derivative of `fourier_features` at `time` along `tangent`, shape (..., size)."""
    frequencies = fourier_frequencies(time, size)
    angles, along = time * frequencies, tangent * frequencies
    return torch.cat([-angles.sin() * along, angles.cos() * along], -1)


def linear_layers(sizes: list[int], generator: torch.Generator) -> nn.ModuleList:
    """Create linear layers with variance-scaling (fan-average, uniform) weights and zero biases."""
    layers = [nn.Linear(inputs, outputs) for inputs, outputs in pairwise(sizes)]
    for layer in layers:
        nn.init.xavier_uniform_(layer.weight, generator=generator)
        nn.init.zeros_(layer.bias)
    return nn.ModuleList(layers)


class MultilayerPerceptron(nn.Module):
    """An MLP: each hidden layer is followed by an activation and, optionally, a layer norm."""

    def __init__(
        self, sizes: list[int], activation: str, *, norm: bool, generator: torch.Generator
    ) -> None:
        """Create the network.

        Args:
            sizes: numbers of inputs, of units in each hidden layer, and of outputs.
            activation: ``gelu`` or ``silu``.
            norm: whether a layer norm follows each hidden activation.
            generator: source of the initial weights.
        """
        super().__init__()
        self.activation = activation
        self.layers = linear_layers(sizes, generator)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in sizes[1:-1] if norm)
        # The same parameters as lists: looking them up through modules can cost more than using
        # them.
        self.linear, self.gains = pairs(self.layers), pairs(self.norms)
        self.prepared: perceptron.Pairs | None = None

    def prepare(self) -> None:
        """Treat the weights as final, to speed up inference without gradients.

        Use it to act with a finished policy: later changes of the weights have no effect. The gain
        is largest for few rows. On a GPU there is none, and looking for layers of known times would
        wait for the device.
        """
        if self.linear[0][0].device.type == "cpu":
            self.prepared = fused.prepare(self.linear)

    def with_weights(self, vector: Tensor) -> Self:
        """Return a copy of this network that computes with the weights in `vector`.

        The weights are in the order of `parameters()`, lie as `fmq.networks.layout` says, and are
        of any dtype. This makes the network a function of its weights, for `torch.func` and `vmap`
        over the weights of several networks.
        """
        parts = layout.parts(vector, list(self.parameters()))
        numbers = iter(parts)
        other = copy.copy(self)
        # A loss may read `parameters()`; the submodules would give the weights of the original.
        other._modules = {}
        other.parameters = lambda recurse=True: iter(parts)  # type: ignore
        other.linear = [(next(numbers), next(numbers)) for _ in self.linear]
        other.gains = [(next(numbers), next(numbers)) for _ in self.gains]
        return other

    def outputs(self, x: Tensor, layers: perceptron.Pairs | None = None) -> Tensor:
        """Return outputs (..., out) for inputs (..., in).

        With bfloat16 weights, inputs are rounded to bfloat16 and outputs are float32.

        Args:
            layers: used instead of the network's own layers if given.
        """
        x = x.to(self.linear[0][0].dtype)
        if torch.is_grad_enabled():
            return perceptron.forward(x, layers or self.linear, self.gains, self.activation)
        layers = layers or self.prepared or self.linear
        return fused.infer(x, layers, self.gains, self.activation)


class VelocityNetwork(MultilayerPerceptron):
    """The average velocity u_{r,t}(a_r | s): an MLP on [s, a_r, phi(r), phi(t)].

    Its diagonal u_{t,t} is the instantaneous velocity of a flow-matching policy. The flow map is
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
        """Create the network.

        Args:
            observation_size: O.
            action_size: H * A, the size of a flattened chunk.
            hidden_width: units per hidden layer.
            hidden_layers: number of hidden layers.
            activation: ``gelu`` or ``silu``.
            time_features: Fourier features per flow time; 0 feeds r and t as they are.
            generator: source of the initial weights.
        """
        if time_features % 2:
            raise ValueError(f"time_features: {time_features}, but sines and cosines are as many")
        inputs = observation_size + action_size + 2 * (time_features or 1)
        sizes = [inputs, *[hidden_width] * hidden_layers, action_size]
        super().__init__(sizes, activation, norm=False, generator=generator)
        self.time_features = time_features
        self.prepared_at: dict[tuple[float, float], perceptron.Pairs] = {}

    def prepare(self) -> None:
        """Treat the weights as final; see `MultilayerPerceptron.prepare`."""
        super().prepare()
        self.prepared_at = {}

    def forward(self, observations: Tensor, actions: Tensor, r: Tensor, t: Tensor) -> Tensor:
        """Return velocities of shape (..., H*A).

        Args:
            observations: shape (..., O).
            actions: shape (..., H*A).
            r, t: flow times, shape (..., 1), or (1,) if all rows share them.
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
        """Return layers that take only [s, a_r], at fixed times of shape (1,).

        Prepared layers are cached, because samplers use the same few times again and again.
        """
        if self.prepared is None:
            return [self.absorbing(r, t), *self.linear[1:]]
        times = float(r), float(t)
        if times not in self.prepared_at:
            (first, _) = fused.prepare([self.absorbing(r, t), self.linear[-1]])
            self.prepared_at[times] = [first, *self.prepared[1:]]
        return self.prepared_at[times]

    def absorbing(self, r: Tensor, t: Tensor) -> perceptron.Layer:
        """Return the first layer for [s, a_r] only; its bias absorbs the times."""
        weight, bias = self.linear[0]
        times = torch.cat([self._features(r), self._features(t)]).to(weight.dtype)
        rest = weight.shape[1] - len(times)
        return weight[:, :rest].contiguous(), torch.addmv(bias, weight[:, rest:], times)

    def jvp(
        self,
        observations: Tensor,
        primals: tuple[Tensor, Tensor, Tensor],
        tangents: tuple[Tensor, Tensor, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Return the velocity and its derivative in (actions, r, t) along `tangents`.

        Both have shape (..., H*A). The results equal those of `torch.func.jvp`, which takes four
        times as long here because it runs linear layers through Python. No gradient flows through
        the derivative.
        """
        actions, r, t = primals
        x = torch.cat([observations, actions, self._features(r), self._features(t)], -1)
        *hidden, (last, bias) = self.linear
        before = []  # the activations' inputs
        for layer in hidden:
            before.append(functional.linear(x, *layer))
            x = perceptron.ACTIVATIONS[self.activation].plain(before[-1])
        with torch.no_grad():
            features = [self._features(*pair) for pair in zip((r, t), tangents[1:], strict=True)]
            dx = torch.cat([tangents[0], *features], -1)
            tangent = perceptron.ACTIVATIONS[self.activation].tangent
            for (weight, _), z in zip(hidden, before, strict=True):
                # The tangent of the observations is zero, so their columns of the first layer are
                # skipped.
                dx = tangent(z, functional.linear(dx, weight[:, -dx.shape[-1] :]))
            derivative = functional.linear(dx, last)
        return functional.linear(x, last, bias), derivative

    def _features(self, time: Tensor, tangent: Tensor | None = None) -> Tensor:
        """Return the features of a time, or their derivative along `tangent` if it is given."""
        if not self.time_features:
            return time if tangent is None else tangent
        if tangent is None:
            return fourier_features(time, self.time_features)
        return fourier_tangent(time, tangent, self.time_features)


def pairs(modules: nn.ModuleList) -> list[tuple[Tensor, Tensor]]:
    """Return the weight and bias of each module."""
    return [(module.weight, module.bias) for module in modules]  # type: ignore[misc]
