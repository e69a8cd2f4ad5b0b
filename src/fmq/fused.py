"""Perceptrons without a gradient, fast on a CPU: wide layers as oneDNN's products.

Nearly all the time of training goes through here: the 32 proposals per state of a critic target
need no gradient. Weights are brought into oneDNN's order once for all tiles of rows; the activation
is the last step of each product, or follows it. Figures: docs/performance.md.
"""

import torch
from torch import Tensor
from torch.nn import functional

from fmq.perceptron import IN_PLACE, Layer, Pairs, forward, through

TILE = 1024  # rows; a tile of 512 units takes 2 MB
FUSED_WIDTH, FUSED_ROWS = 256, 64  # units and rows from which on oneDNN beats MKL
# oneDNN computes the activation as a product's last step, at no cost with vectors of 512 bits. With
# shorter ones that step takes longer than torch's own kernels behind the product.
ACTIVATION_IN_PRODUCT = torch.backends.cpu.get_cpu_capability() == "AVX512"
# Names of the activations in oneDNN's products: the operation, and its variant.
FUSED = {"gelu": ("gelu", "tanh"), "silu": ("swish", "")}
ONEDNN = torch.backends.mkldnn.is_available()
ONEDNN_BFLOAT16 = ONEDNN and torch.ops.mkldnn._is_mkldnn_bf16_supported()


@torch.no_grad()
def infer(x: Tensor, layers: Pairs, norms: Pairs, activation: str) -> Tensor:
    """`forward` without a gradient, to the rounding of its numbers.

    Args:
        layers: as for `forward`, or what `prepare` made of them.
    """
    rows = x.shape[:-1].numel()
    if not layers[0][0].is_mkldnn and not (rows >= FUSED_ROWS and _suits(layers)):
        return forward(x, layers, norms, activation)
    if recording():
        numbers = [tensor for pair in (*layers, *norms) for tensor in pair]
        return _opaque(x, numbers, len(layers), activation)
    return _fused(x, layers, norms, activation)


def prepare(layers: Pairs) -> Pairs:
    """Layers for `infer` to use again and again: wide ones in the order in which oneDNN reads them.

    They are copies, which a change of the weights does not reach.
    """
    if not _suits(layers):
        return layers
    return [*((_reordered(weight), bias) for weight, bias in layers[:-1]), layers[-1]]


def prepare_transposed(layers: Pairs) -> list[Tensor]:
    """The weights of `layers` transposed, (in, out) each, and wide ones prepared."""
    transposed = [weight.detach().t().contiguous() for weight, _ in layers]
    if not _suits(layers):
        return transposed
    return [*map(_reordered, transposed[:-1]), transposed[-1]]


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W^T + b with a weight (out, in) that may be prepared."""
    if weight.is_mkldnn:
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return functional.linear(x, weight, bias)


def recording() -> bool:
    """Whether operations are noted down for a graph rather than only run."""
    modes = torch._C._TorchDispatchModeKey
    return torch.compiler.is_compiling() or (torch._C._get_dispatch_mode(modes.PROXY) is not None)


def vectorised(tensor: Tensor) -> bool:
    """Whether it stands for several under `torch.func.vmap`; never where a compiler traces."""
    return not torch.compiler.is_compiling() and (
        torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    )


def _reordered(weight: Tensor) -> Tensor:
    return torch.ops.mkldnn._reorder_linear_weight(weight.detach())


def _suits(layers: Pairs) -> bool:
    """Whether there is oneDNN, and it is the faster one for these layers."""
    if min(len(hidden) for hidden, _ in layers[:-1]) < FUSED_WIDTH:
        return False
    weight = layers[0][0]
    if vectorised(weight):
        return False  # oneDNN's products know nothing of several networks at once
    supported = {torch.float32: ONEDNN, torch.bfloat16: ONEDNN_BFLOAT16}
    return weight.device.type == "cpu" and supported.get(weight.dtype, False)


def _fused(x: Tensor, layers: Pairs, norms: Pairs, activation: str) -> Tensor:
    tiles = x.reshape(-1, x.shape[-1]).split(TILE)
    if not layers[0][0].is_mkldnn and len(tiles) > 1:
        layers = prepare(layers)
    kind, variant = FUSED[activation]

    def hidden(x: Tensor, layer: Layer) -> Tensor:
        if ACTIVATION_IN_PRODUCT:
            return torch.ops.mkldnn._linear_pointwise(x, *layer, kind, [], variant)
        return IN_PLACE[activation](product(x, *layer))

    outputs = [through(tile, layers, norms, hidden) for tile in tiles]
    result = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
    return result.view(*x.shape[:-1], -1)


@torch.library.custom_op("fmq::perceptron", mutates_args=())
def _opaque(x: Tensor, numbers: list[Tensor], depth: int, activation: str) -> Tensor:
    """`_fused` as one operation of a graph, whose compiler would take it apart otherwise.

    Args:
        numbers: weight and bias of each of `depth` layers, then gain and shift of each norm.
    """
    pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
    return _fused(x, pairs[:depth], pairs[depth:], activation)


@_opaque.register_fake
def _(x: Tensor, numbers: list[Tensor], depth: int, activation: str) -> Tensor:
    return x.new_empty(*x.shape[:-1], len(numbers[2 * depth - 1]), dtype=torch.float32)
