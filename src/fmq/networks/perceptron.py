"""Functional multilayer perceptrons: activations, their derivatives, and the forward pass."""

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

Layer = tuple[Tensor, Tensor]
Pairs = Sequence[Layer]

LAYER_NORM_EPSILON = 1e-6  # flax's default
GELU_LINEAR = (8 / torch.pi) ** 0.5
GELU_CUBIC = 0.044715 * GELU_LINEAR
FEW = 2**14  # elements below which one fused kernel beats several elementwise ones


def exact_gelu(x: Tensor) -> Tensor:
    """Return GELU in its tanh approximation by one kernel, whatever the number of elements."""
    return functional.gelu(x, approximate="tanh")


def gelu(x: Tensor) -> Tensor:
    """Return GELU in its tanh approximation, flax's default.

    x (1 + tanh(u / 2)) / 2 = x sigmoid(u) with u = sqrt(8 / pi) (x + 0.044715 x^3). On a CPU a
    sigmoid takes a fifth of the time of a tanh.
    """
    if x.device.type != "cpu" or x.numel() < FEW:
        return exact_gelu(x)
    return x * torch.sigmoid(x * (x * x * GELU_CUBIC + GELU_LINEAR))


def gelu_(x: Tensor) -> Tensor:
    """Overwrite `x` with `gelu(x)`: no gradient, and a third of the memory traffic."""
    u = (x * x).mul_(GELU_CUBIC).add_(GELU_LINEAR).mul_(x).sigmoid_()
    return x.mul_(u)


def silu_(x: Tensor) -> Tensor:
    """Overwrite `x` with its SiLU."""
    return functional.silu(x, inplace=True)


def gelu_tangent(x: Tensor, tangent: Tensor) -> Tensor:
    """Return the derivative of `gelu` at `x` along `tangent`."""
    if x.device.type != "cpu" or x.numel() < FEW:
        return torch.ops.aten.gelu_backward(tangent, x, approximate="tanh")
    square = x * x
    s = torch.sigmoid(x * (square * GELU_CUBIC + GELU_LINEAR))
    return tangent * (s + x * s * (1 - s) * (square * (3 * GELU_CUBIC) + GELU_LINEAR))


def silu_tangent(x: Tensor, tangent: Tensor) -> Tensor:
    """Return the derivative of SiLU at `x` along `tangent`.

    SiLU acts elementwise, so its backward kernel computes this.
    """
    return torch.ops.aten.silu_backward(tangent, x)


class Activation(NamedTuple):
    """An activation function, in the forms in which networks compute it.

    Attributes:
        plain: the function.
        kernel: the function as one kernel, for graphs of any number of rows.
        in_place: overwrites its argument.
        tangent: derivative at the first argument along the second.
        onednn: name and variant of oneDNN's fused activation.
    """

    plain: Callable[[Tensor], Tensor]
    kernel: Callable[[Tensor], Tensor]
    in_place: Callable[[Tensor], Tensor]
    tangent: Callable[[Tensor, Tensor], Tensor]
    onednn: tuple[str, str]


ACTIVATIONS = {
    "gelu": Activation(gelu, exact_gelu, gelu_, gelu_tangent, ("gelu", "tanh")),
    "silu": Activation(functional.silu, functional.silu, silu_, silu_tangent, ("swish", "")),
}


def forward(x: Tensor, layers: Pairs, norms: Pairs, activation: str) -> Tensor:
    """Return outputs (..., out) for inputs (..., in).

    Each hidden layer is followed by its activation and then, if any, its layer norm.

    Args:
        layers: weight (out, in) and bias (out,) of each layer, the output layer last.
        norms: gain and shift of the layer norm after each hidden layer, or an empty sequence.
        activation: a key of `ACTIVATIONS`.
    """
    activate = ACTIVATIONS[activation].plain
    return through(x, layers, norms, lambda x, layer: activate(functional.linear(x, *layer)))


def through(
    x: Tensor, layers: Pairs, norms: Pairs, hidden: Callable[[Tensor, Layer], Tensor]
) -> Tensor:
    """Compute `forward` with `hidden` as the function for a hidden layer and its activation."""
    for layer, norm in zip_longest(layers[:-1], norms):
        x = hidden(x, layer)
        if norm is not None:
            gain, shift = norm
            x = functional.layer_norm(x, gain.shape, gain, shift, LAYER_NORM_EPSILON)
    return output(x, layers[-1])


def output(x: Tensor, layer: Layer) -> Tensor:
    """Apply the output layer, in float32 even if the hidden layers are bfloat16.

    A critic's values lie so close together that bfloat16 would round many of them to the same
    number.
    """
    if x.dtype == torch.bfloat16:
        return functional.linear(x.float(), *(one.float() for one in layer))
    return functional.linear(x, *layer)
