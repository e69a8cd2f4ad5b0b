"""Multilayer perceptrons, forward: once for gradients, once for speed.

Nearly all the time of training and acting goes through here, and most of it through `infer`: the
32 proposals per state of a critic target need no gradient. There, on a CPU, wide layers are
products of oneDNN with the activation in their last step, on weights brought into its order once
for all tiles of rows. Figures: docs/performance.md.
"""

from collections.abc import Callable, Sequence
from itertools import zip_longest

import torch
from torch import Tensor
from torch.nn import functional

Pairs = Sequence[tuple[Tensor, Tensor]]

LAYER_NORM_EPSILON = 1e-6  # flax's default
TILE = 1024  # rows; a tile of 512 units takes 2 MB
GELU_LINEAR = (8 / torch.pi) ** 0.5
GELU_CUBIC = 0.044715 * GELU_LINEAR
FEW = 2**14  # numbers below which one kernel beats several faster ones
FUSED_WIDTH, FUSED_ROWS = 256, 64  # units and rows from which on oneDNN beats MKL
FUSED_TYPES = (torch.float32, torch.bfloat16)
# Names of the activations in oneDNN's products: the operation, and its variant.
FUSED = {"gelu": ("gelu", "tanh"), "silu": ("swish", "")}


def gelu(x: Tensor) -> Tensor:
    """GELU in its tanh approximation, flax's default: x (1 + tanh(u / 2)) / 2 = x sigmoid(u).

    u = sqrt(8 / pi) (x + 0.044715 x^3). On a CPU a sigmoid takes a fifth of the time of a tanh.
    """
    if x.device.type != "cpu" or x.numel() < FEW:
        return functional.gelu(x, approximate="tanh")
    return x * torch.sigmoid(x * (x * x * GELU_CUBIC + GELU_LINEAR))


def gelu_tangent(x: Tensor, tangent: Tensor) -> Tensor:
    """Derivative of `gelu` at `x` along `tangent`."""
    square = x * x
    s = torch.sigmoid(x * (square * GELU_CUBIC + GELU_LINEAR))
    return tangent * (s + x * s * (1 - s) * (square * (3 * GELU_CUBIC) + GELU_LINEAR))


def silu_tangent(x: Tensor, tangent: Tensor) -> Tensor:
    """Derivative of SiLU at `x` along `tangent`: elementwise, so its backward kernel does it."""
    return torch.ops.aten.silu_backward(tangent, x)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": gelu, "silu": functional.silu}
TANGENTS = {"gelu": gelu_tangent, "silu": silu_tangent}


def forward(x: Tensor, layers: Pairs, norms: Pairs, activation: str) -> Tensor:
    """Outputs (..., out) of inputs (..., in): each hidden layer, its activation, then its norm.

    Args:
        layers: weight (out, in) and bias (out,) of each, the output layer's last.
        norms: gain and shift of the layer norm behind each hidden layer, or none at all.
        activation: a key of `ACTIVATIONS`.
    """
    activate = ACTIVATIONS[activation]
    for layer, norm in zip_longest(layers[:-1], norms):
        x = activate(functional.linear(x, *layer))
        if norm is not None:
            x = _layer_norm(x, *norm)
    return functional.linear(x, *layers[-1])


def prepare(layers: Pairs) -> Pairs:
    """Layers for `infer` to use again and again: wide ones in the order in which oneDNN reads them.

    They are copies, which a change of the weights does not reach.
    """
    return [(_reordered(weight), bias) for weight, bias in layers] if _suits(layers) else layers


@torch.no_grad()
def infer(x: Tensor, layers: Pairs, norms: Pairs, activation: str) -> Tensor:
    """`forward` without a gradient, to the rounding of its numbers.

    Args:
        layers: as for `forward`, or what `prepare` made of them.
    """
    rows = x.reshape(-1, x.shape[-1])
    tiles = rows.split(TILE)
    fused = layers[0][0].is_mkldnn or (len(rows) >= FUSED_ROWS and _suits(layers))
    if fused and len(tiles) > 1 and not layers[0][0].is_mkldnn:
        layers = prepare(layers)
    outputs = []
    for tile in tiles:
        for layer, norm in zip_longest(layers[:-1], norms):
            if fused:
                tile = _linear(tile, layer, *FUSED[activation])
            else:
                tile = ACTIVATIONS[activation](functional.linear(tile, *layer))
            if norm is not None:
                tile = _layer_norm(tile, *norm)
        outputs.append(_linear(tile, layers[-1]) if fused else functional.linear(tile, *layers[-1]))
    result = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
    return result.view(*x.shape[:-1], -1)


def _suits(layers: Pairs) -> bool:
    """Whether oneDNN is the faster one for these layers."""
    weight = layers[0][0]
    wide = all(len(hidden) >= FUSED_WIDTH for hidden, _ in layers[:-1])
    return wide and weight.device.type == "cpu" and weight.dtype in FUSED_TYPES


def _layer_norm(x: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
    return functional.layer_norm(x, gain.shape, gain, shift, LAYER_NORM_EPSILON)


def _linear(
    x: Tensor, layer: tuple[Tensor, Tensor], kind: str = "none", variant: str = ""
) -> Tensor:
    """oneDNN's linear layer with an activation in its last step."""
    return torch.ops.mkldnn._linear_pointwise(x, *layer, kind, [], variant)


def _reordered(weight: Tensor) -> Tensor:
    return torch.ops.mkldnn._reorder_linear_weight(weight.detach())
