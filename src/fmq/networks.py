"""The average-velocity network and the critic ensemble."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

ACTIVATIONS = {
    "gelu": lambda x: functional.gelu(x, approximate="tanh"),  # as flax's default
    "silu": functional.silu,
}
LAYER_NORM_EPSILON = 1e-6  # flax's default
CRITICS = 2


# Elementwise, so that the backward kernel applied to a tangent is the derivative along it.
TANGENTS = {
    "gelu": lambda x, tangent: torch.ops.aten.gelu_backward(tangent, x, approximate="tanh"),
    "silu": lambda x, tangent: torch.ops.aten.silu_backward(tangent, x),
}


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


class VelocityNetwork(nn.Module):
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
        super().__init__()
        self.time_features = time_features
        self.activation = ACTIVATIONS[activation]
        self.tangent = TANGENTS[activation]
        inputs = observation_size + action_size + 2 * (time_features or 1)
        self.layers = linear_layers(
            [inputs, *[hidden_width] * hidden_layers, action_size], generator
        )

    def forward(self, observations: Tensor, actions: Tensor, r: Tensor, t: Tensor) -> Tensor:
        """Velocities of shape (..., H*A) from (..., O), (..., H*A), (..., 1) and (..., 1)."""
        if self.time_features:
            r, t = (fourier_features(time, self.time_features) for time in (r, t))
        x = torch.cat([observations, actions, r, t], -1)
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.layers[-1](x)

    def jvp(
        self,
        observations: Tensor,
        primals: tuple[Tensor, Tensor, Tensor],
        tangents: tuple[Tensor, Tensor, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Velocity and its derivative in (actions, r, t) along `tangents`, both (..., H*A).

        The same numbers as `torch.func.jvp`, which takes four times as long here because it runs
        linear layers through Python.
        """
        actions, r, t = primals
        d_actions, d_r, d_t = tangents
        if self.time_features:
            d_r, d_t = (fourier_tangent(*pair, self.time_features) for pair in ((r, d_r), (t, d_t)))
            r, t = (fourier_features(time, self.time_features) for time in (r, t))
        x = torch.cat([observations, actions, r, t], -1)
        dx = torch.cat([torch.zeros_like(observations), d_actions, d_r, d_t], -1)
        for layer in self.layers[:-1]:
            z, dz = layer(x), dx @ layer.weight.T  # type: ignore[operator]
            x, dx = self.activation(z), self.tangent(z, dz)
        last = self.layers[-1]
        return last(x), dx @ last.weight.T  # type: ignore[operator]


class Critic(nn.Module):
    """Q(s, a): an MLP with layer norm after each hidden activation."""

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        *,
        hidden_width: int,
        hidden_layers: int,
        activation: str,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        widths = [hidden_width] * hidden_layers
        self.layers = linear_layers([observation_size + action_size, *widths, 1], generator)
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=LAYER_NORM_EPSILON) for width in widths)

    def forward(self, inputs: Tensor) -> Tensor:
        """Values of shape (...) from [s, a] of shape (..., O + H*A)."""
        x = inputs
        for layer, norm in zip(self.layers[:-1], self.norms, strict=True):
            x = norm(self.activation(layer(x)))
        return self.layers[-1](x).squeeze(-1)


class CriticEnsemble(nn.Module):
    """Two critics of the same shape and other weights."""

    def __init__(self, observation_size: int, action_size: int, **shape: object) -> None:
        """Keyword arguments are those of `Critic`."""
        super().__init__()
        self.critics = nn.ModuleList(
            Critic(observation_size, action_size, **shape)  # type: ignore[arg-type]
            for _ in range(CRITICS)
        )

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Values of shape (2, ...) from observations (..., O) and chunks (..., H*A)."""
        inputs = torch.cat([observations, actions], -1)
        return torch.stack([critic(inputs) for critic in self.critics])
