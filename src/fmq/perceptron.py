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

Layer = tuple[Tensor, Tensor]
Pairs = Sequence[Layer]

LAYER_NORM_EPSILON = 1e-6  # flax's default
TILE = 1024  # rows; a tile of 512 units takes 2 MB
GELU_LINEAR = (8 / torch.pi) ** 0.5
GELU_CUBIC = 0.044715 * GELU_LINEAR
FEW = 2**14  # numbers below which one kernel beats several faster ones
FUSED_WIDTH, FUSED_ROWS = 256, 64  # units and rows from which on oneDNN beats MKL
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
    return _through(x, layers, norms, lambda x, layer: activate(functional.linear(x, *layer)))


@torch.no_grad()
def infer(x: Tensor, layers: Pairs, norms: Pairs, activation: str) -> Tensor:
    """`forward` without a gradient, to the rounding of its numbers.

    Args:
        layers: as for `forward`, or what `prepare` made of them.
    """
    rows = x.reshape(-1, x.shape[-1])
    prepared = layers[0][0].is_mkldnn
    if not prepared and not (len(rows) >= FUSED_ROWS and _suits(layers)):
        return forward(x, layers, norms, activation)
    tiles = rows.split(TILE)
    if not prepared and len(tiles) > 1:
        layers = prepare(layers)
    kind, variant = FUSED[activation]

    def hidden(x: Tensor, layer: Layer) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, *layer, kind, [], variant)

    outputs = [_through(tile, layers, norms, hidden) for tile in tiles]
    result = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
    return result.view(*x.shape[:-1], -1)


def prepare(layers: Pairs) -> Pairs:
    """Layers for `infer` to use again and again: wide ones in the order in which oneDNN reads them.

    They are copies, which a change of the weights does not reach.
    """
    if not _suits(layers):
        return layers
    reorder = torch.ops.mkldnn._reorder_linear_weight
    hidden = [(reorder(weight.detach()), bias) for weight, bias in layers[:-1]]
    return [*hidden, layers[-1]]


def _through(
    x: Tensor, layers: Pairs, norms: Pairs, hidden: Callable[[Tensor, Layer], Tensor]
) -> Tensor:
    for layer, norm in zip_longest(layers[:-1], norms):
        x = hidden(x, layer)
        if norm is not None:
            gain, shift = norm
            x = functional.layer_norm(x, gain.shape, gain, shift, LAYER_NORM_EPSILON)
    weight, bias = layers[-1]
    # Values of a critic lie so close together that bfloat16 would make many of them equal.
    if x.dtype == torch.bfloat16:
        x, weight, bias = x.float(), weight.float(), bias.float()
    return functional.linear(x, weight, bias)


def _suits(layers: Pairs) -> bool:
    """Whether there is oneDNN, and it is the faster one for these layers."""
    weight = layers[0][0]
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    if weight.dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    wide = all(len(hidden) >= FUSED_WIDTH for hidden, _ in layers[:-1])
    return wide and weight.dtype in (torch.float32, torch.bfloat16)
